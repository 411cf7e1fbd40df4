// Pages follow by themselves what comes from another node, whether it is there, and what this node needs.
import { violations } from "../axe.mjs";
import { tooWide } from "../narrow.mjs";
import { picture } from "../pictures.mjs";
import { check, until } from "../watch.mjs";

// a page that remembers of which kinds it has heard
const opened = async (context, address) => {
  const tab = await context.newPage();
  await tab.addInitScript(() => {
    window.heard = new Set();
    for (const kind of ["transfers", "peers", "health"]) addEventListener(`bib:${kind}`, () => window.heard.add(kind), true);
  });
  await tab.goto(address);
  return { tab, hears: (kind) => until(`the tab hears of ${kind}`, () => tab.evaluate((kind) => window.heard.has(kind), kind)) };
};

export const run = async ({ context, ask, base, complaints }) => {
  const [home, nodes] = [await opened(context, `${base}/`), await opened(context, `${base}/nodes`)];
  const transfer = (dataset) => home.tab.getByRole("group", { name: "Transfers" }).locator("tbody tr").filter({ hasText: dataset });

  await ask("other", "upload");
  await transfer("measured/noise").getByText("done", { exact: true }).waitFor();
  await transfer("measured/noise").getByText("lab-b").waitFor();
  await home.hears("transfers");
  // of another version a part is nowhere
  await transfer("measured/broken").locator(".bad-text").waitFor();

  const now = nodes.tab.getByRole("row").filter({ hasText: "lab-b" });
  await now.getByText("connected", { exact: true }).waitFor();
  await ask("other", "stop");
  await now.getByText("away", { exact: true }).waitFor();
  await nodes.hears("peers");
  await home.tab.getByText("0 connected").waitFor();
  await ask("other", "start");
  await now.getByText("connected", { exact: true }).waitFor({ timeout: 90000 });
  await home.tab.getByText("1 connected").waitFor();

  const warning = home.tab.getByRole("region", { name: "Needs attention" }).getByText("was stopped by a signal");
  const failures = [];
  // what needs a new connection of the database waits for it
  await complaints.expecting([/status of 503/], async () => {
    await ask("freeze");
    await warning.waitFor();
    await home.hears("health");
    for (const width of [320, 1280]) {
      await home.tab.setViewportSize({ width, height: 800 });
      await picture(home.tab, "home-attention");
      failures.push(...(await tooWide(home.tab)), ...(await violations(home.tab, `/ at ${width}, with a warning`)));
    }
    await ask("thaw");
    await warning.waitFor({ state: "hidden" });
  });
  check(failures.length === 0, failures.join("\n"));
  await Promise.all([home.tab.close(), nodes.tab.close()]);
};
