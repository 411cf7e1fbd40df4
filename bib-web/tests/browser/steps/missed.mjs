// What changes while nobody reads the stream is shown after it: before it is opened, while the tab is hidden, and while it is
// handed over from one tab to another.
import { until } from "../watch.mjs";

const shows = (tab, topic) => tab.getByRole("link", { name: topic, exact: true }).waitFor();

// what the browser says when a tab is covered, and when it is looked at again
const hide = (tab, hidden) =>
  tab.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);

export const run = async ({ browser, context, base, ask }) => {
  const other = await browser.newContext({ storageState: await context.storageState() });
  const streams = new Set();
  other.on("request", (request) => { if (new URL(request.url()).pathname === "/events") streams.add(request); });
  for (const event of ["requestfinished", "requestfailed"]) other.on(event, (request) => streams.delete(request));
  const open = () => [...streams].filter((request) => !request.frame().page().isClosed());

  // streams wait before this gate while it is shut
  let waiting = [];
  let shut = true;
  await other.route("**/events*", (route) => { if (shut) waiting.push(route); else route.continue(); });
  const opened = async () => {
    shut = false;
    const all = waiting;
    waiting = [];
    // those of tabs that were closed meanwhile are gone
    await Promise.all(all.map((route) => route.continue().catch(() => {})));
  };

  const first = await other.newPage();
  await first.clock.install();
  await first.goto(`${base}/topics`);
  await until("the first page asks for the stream", () => waiting.length > 0);
  await ask("topic", "before-the-stream");
  await opened();
  await shows(first, "before-the-stream");

  await hide(first, true);
  await first.clock.fastForward(31000);
  await until("nobody reads the stream", () => open().length === 0);
  await ask("topic", "while-hidden");
  await hide(first, false);
  await shows(first, "while-hidden");

  const second = await other.newPage();
  await second.goto(`${base}/topics`);
  await ask("topic", "seen-by-two");
  await Promise.all([first, second].map((tab) => shows(tab, "seen-by-two")));
  shut = true;
  await first.close();
  await until("the second tab asks for the stream", () => waiting.length > 0);
  await ask("topic", "between-two-tabs");
  await opened();
  await shows(second, "between-two-tabs");
  await other.close();
};
