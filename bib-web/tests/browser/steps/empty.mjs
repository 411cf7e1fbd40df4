// A node that nobody has used yet says what to do first, and its page follows what is done.
import { violations } from "../axe.mjs";
import { tooWide } from "../narrow.mjs";
import { picture } from "../pictures.mjs";
import { check } from "../watch.mjs";

const bare = { home: "/", datasets: "/datasets", topics: "/topics", nodes: "/nodes" };

export const run = async ({ page, ask, base }) => {
  const failures = [];
  for (const width of [1280, 320]) {
    await page.setViewportSize({ width, height: 800 });
    for (const [name, path] of Object.entries(bare)) {
      const answer = await page.goto(base + path);
      check(answer.status() === 200, `${path} of an empty node is answered with ${answer.status()}`);
      await picture(page, `empty-${name}`);
      failures.push(...(await tooWide(page)).map((what) => `${path} at ${width}, empty: ${what}`));
      failures.push(...(await violations(page, `${path} at ${width}, empty`)));
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  check(failures.length === 0, failures.join("\n"));

  await page.goto(`${base}/`);
  const first = page.getByRole("region", { name: "First steps" });
  const steps = first.getByRole("listitem");
  const commands = await steps.locator("code").allTextContents();
  check(commands.length === 3 && commands.every((line) => line.startsWith("bib ")), `the first steps are ${commands}`);
  await page.getByText("Nothing is on its way.").waitFor();
  // what the first one says makes a topic, and is done then
  await ask("run", commands[0]);
  await steps.first().getByText("done", { exact: true }).waitFor();
  check((await steps.locator("code").count()) === 2, "a step that is done still says what to do");
  // with data there are no first steps any more
  await ask("fill");
  await first.waitFor({ state: "hidden" });
  await page.getByRole("link", { name: "Datasets" }).first().click();
  await page.getByRole("link", { name: "flights/nyc" }).waitFor();
};
