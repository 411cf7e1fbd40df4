// A session ends elsewhere: the tab notices it, also when something was downloaded from it before.
import { check, until } from "../watch.mjs";

export const run = async ({ browser, base, ask }) => {
  const other = await browser.newContext({ acceptDownloads: true });
  // the stream neither opens nor fails before it is told to
  const waiting = [];
  let fails = false;
  await other.route("**/events*", (route) => { if (fails) route.abort(); else waiting.push(route); });
  const tab = await other.newPage();
  await tab.clock.install();
  await tab.goto(await ask("link", "/"));
  const page = `${base}/datasets/flights/nyc`;
  await tab.goto(page);
  await until("the tab asks for the stream", () => waiting.some((route) => route.request().headers().referer === page));
  const link = tab.getByRole("link", { name: "Download weather.csv" });
  await Promise.all([tab.waitForEvent("download"), link.click()]);
  await tab.clock.fastForward(10000);

  const token = await tab.locator("meta[name=csrf]").getAttribute("content");
  const headers = { origin: base, "x-csrf-token": token };
  const answer = await other.request.post(`${base}/logout`, { headers, maxRedirects: 0 });
  check(answer.status() === 303, `signing out answers ${answer.status()}`);
  fails = true;
  await Promise.all(waiting.map((route) => route.abort().catch(() => {})));
  await tab.waitForURL((url) => url.pathname === "/login");
  await other.close();
};
