// A page shows what the last signal was about: also when the signal comes while the page is being fetched again, and when what
// is fetched then fails.
import { until } from "../watch.mjs";

const shows = (tab, topic) => tab.getByRole("link", { name: topic, exact: true }).waitFor();

// a page of topics that was opened anew and says what it heard; `again` gets what it fetches after that
const topics = async (other, base, again) => {
  const tab = await other.newPage();
  await tab.addInitScript(() => {
    window.heard = 0;
    addEventListener("bib:topics", () => { window.heard += 1; }, true);
  });
  await tab.route(`${base}/topics`, (route) => route.request().headers()["hx-request"] ? again(route) : route.fallback());
  await tab.goto(`${base}/topics`);
  return { tab, hears: () => until("the tab hears of the topic", () => tab.evaluate(() => window.heard > 0)) };
};

// what is fetched first is as old as the signal that comes before it is there
const whileFetching = async (other, base, ask) => {
  let asked = false;
  let arrives;
  const held = new Promise((done) => { arrives = done; });
  const { tab, hears } = await topics(other, base, async (route) => {
    if (asked) return route.fallback();
    const stale = await route.fetch();
    asked = true;
    await held;
    await route.fulfill({ response: stale });
  });
  // a page that does not know what came before its stream fetches itself once
  await until("the page is fetched again", () => asked);
  await ask("topic", "while-fetching");
  await hears();
  arrives();
  await shows(tab, "while-fetching");
  await tab.close();
};

// nobody signals once more what could not be fetched
const afterFailure = async (other, base, ask) => {
  let [fails, failed] = [false, 0];
  let fetched = false;
  const { tab, hears } = await topics(other, base, async (route) => {
    if (fails) {
      await route.fulfill({ status: 503, body: "" });
      failed += 1;
    } else {
      await route.fallback();
      fetched = true;
    }
  });
  await until("the page is fetched again", () => fetched);
  fails = true;
  await ask("topic", "after-a-failure");
  await hears();
  await until("what is fetched fails", () => failed > 0);
  fails = false;
  await shows(tab, "after-a-failure");
  await tab.close();
};

export const run = async ({ browser, context, base, ask }) => {
  const storageState = await context.storageState();
  for (const story of [whileFetching, afterFailure]) {
    const other = await browser.newContext({ storageState });
    await story(other, base, ask);
    await other.close();
  }
};
