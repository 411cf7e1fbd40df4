// By keyboard alone: through a page without a trap, and from the first page to one row of a table.
import { check } from "../watch.mjs";

const throughPage = async ({ page, base }) => {
  await page.goto(`${base}/topics`);
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.className);
  check(first === "skip", `the first stop is ${first}`);
  await page.keyboard.press("Enter");
  check((await page.evaluate(() => document.activeElement.id)) === "main", "the skip link does not lead to the content");
  await page.goto(`${base}/topics`);
  const stops = [];
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(() => {
      const at = document.activeElement;
      if (at === document.body) return "";
      const outline = getComputedStyle(at).outlineStyle;
      return `${at.tagName} ${at.id || at.textContent.trim().slice(0, 20)} ${outline}`;
    });
    if (stop === "" || (stops.length > 1 && stop === stops[0])) break;
    check(!stop.endsWith(" none"), `no visible focus on ${stop}`);
    check(stop !== stops.at(-1), `trapped in ${stop}`);
    stops.push(stop);
  }
  check(stops.length > 10 && stops.length < 80, `stops: ${stops.join(", ")}`);
};

// presses Tab, or another key, until the focus is on what a selector finds with this text in it
const reach = async (page, selector, text, key = "Tab") => {
  const stops = [];
  for (let presses = 0; presses < 200; presses += 1) {
    const at = await page.evaluate(([selector, text]) => {
      const { activeElement: at } = document;
      const { outlineStyle } = getComputedStyle(at);
      const words = at.textContent.trim();
      return { words: words.slice(0, 20), fits: at.matches(selector) && words.includes(text), seen: outlineStyle !== "none" };
    }, [selector, text]);
    if (at.fits) {
      check(at.seen, `no visible focus on ${text || selector}`);
      return;
    }
    stops.push(at.words);
    await page.keyboard.press(key);
  }
  throw new Error(`${text || selector} is not reached by ${key}: ${stops.join(", ")}`);
};

const toRow = async ({ page, base }) => {
  await page.goto(`${base}/`);
  const { keyboard } = page;
  await reach(page, "nav a", "Datasets");
  await keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Datasets" }).waitFor();
  await reach(page, "tbody a", "flights/nyc");
  await keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "flights/nyc" }).waitFor();
  // what is folded opens, and folds again
  await reach(page, "summary", "Columns of flights.parquet");
  await keyboard.press("Enter");
  const columns = page.getByRole("rowheader", { name: "dep_delay" }).first();
  await columns.waitFor();
  await keyboard.press("Enter");
  await columns.waitFor({ state: "hidden" });
  await reach(page, "tbody a", "flights.parquet", "Shift+Tab");
  check((await page.evaluate(() => document.activeElement.textContent)) === "flights.parquet", "the way back skips the table");
  await keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "flights.parquet" }).waitFor();
  // the heads of columns are drawn again when what is in them was counted
  await page.locator("#grid .spread").first().waitFor({ timeout: 300000 });
  await reach(page, "input#f", "");
  await keyboard.type('r.dep_delay > 300 && r.origin == "JFK" && r.month == 7');
  await keyboard.press("Enter");
  await page.getByText(/^\d+ of 336,776 rows/).waitFor();
  await page.locator("#grid .spread").first().waitFor();
  const number = await page.locator("#grid tbody th a").first().textContent();
  await reach(page, "#grid tbody th a", number);
  await keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: `Row ${number}` }).waitFor();
};

// a dialog takes the focus, gives it back, and does what was typed
const throughDialog = async ({ page, base }) => {
  await page.goto(`${base}/topics/weather`);
  const { keyboard } = page;
  await reach(page, "main button", "Subscribe");
  await keyboard.press("Enter");
  await page.getByText("Subscribed. New versions").waitFor();
  await reach(page, "a.button", "Unsubscribe…");
  await keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  check(await dialog.evaluate((dialog) => dialog.contains(document.activeElement)), "the dialog has not got the focus");
  await keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  const back = await page.evaluate(() => document.activeElement.textContent);
  check(back === "Unsubscribe…", `after the dialog the focus is on ${back}`);
  await keyboard.press("Enter");
  await reach(page, "dialog input", "");
  await keyboard.type("weather");
  await keyboard.press("Enter");
  await page.getByText("Unsubscribed.").waitFor();
};

export const run = async (all) => {
  await throughPage(all);
  await toRow(all);
  await throughDialog(all);
};
