// From a dataset to a filtered row: histogram, sort, a lasting link in another browser, exports, mistakes, queries.
import { readFile } from "node:fs/promises";
import { check, until } from "../watch.mjs";

const table = (file) => `/datasets/flights/nyc/v/1/table?file=${file}`;

const download = async (page, name) => {
  const [saved] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name, exact: true }).click()]);
  return { name: saved.suggestedFilename(), bytes: await readFile(await saved.path()) };
};

const cells = async (page, column) => {
  const names = await page.locator("#grid thead a.sort").allTextContents();
  const at = names.findIndex((name) => name.replace(/[↑↓]/, "").trim() === column);
  check(at >= 0, `no column ${column} in ${names}`);
  return page.locator(`#grid tbody tr td:nth-child(${at + 2})`).allTextContents();
};

const journey = async ({ browser, context, page, ask, base, complaints }) => {
  await page.goto(`${base}/datasets/flights/nyc`);
  await page.getByRole("link", { name: "flights.parquet", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "flights.parquet" }).waitFor();
  await page.getByText("336,776 rows").waitFor();
  await page.locator("#grid .spread").first().waitFor({ timeout: 300000 });

  // a bar is a filter
  const delay = page.locator("#grid thead th").filter({ has: page.getByText("dep_delay", { exact: true }) });
  const bar = delay.locator("svg a").nth(2);
  const [label, count] = (await bar.locator("title").textContent()).split(": ");
  await bar.locator(".reach").click({ force: true });
  await page.getByText(`${count} of 336,776 rows`).waitFor();
  check(new URL(page.url()).searchParams.get("f").startsWith("r.dep_delay >="), `the filter is not in ${page.url()}`);
  const [low, high] = label.split(" to ").map(Number);
  const delays = (await cells(page, "dep_delay")).map(Number);
  check(delays.length === 100 && delays.every((d) => d >= low && d < high), `${label} shows ${delays}`);

  // the same list as text, by keyboard alone
  await delay.locator("summary").focus();
  await page.keyboard.press("Enter");
  check(await delay.getByRole("link", { name: label, exact: true }).isVisible(), "the bars have no list beside them");

  // sorting is a link
  await page.getByRole("link", { name: /^distance/ }).first().click();
  await page.getByRole("link", { name: /^distance/ }).first().click();
  await page.locator("th[aria-sort=descending]").waitFor();
  const far = (await cells(page, "distance")).map(Number);
  check(far.every((value, at) => at === 0 || far[at - 1] >= value), `not sorted: ${far}`);

  // a narrow question, saved and read back
  await page.getByLabel("Only rows for which").fill('r.dep_delay > 300 && r.origin == "JFK" && r.month == 7');
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByText(/^\d+ of 336,776 rows/).waitFor();
  const rows = await page.locator("#grid tbody tr").count();
  const lines = (await download(page, "JSON lines")).bytes.toString().trim().split("\n").map((line) => JSON.parse(line));
  check(lines.length === rows && lines.every((row) => row.dep_delay > 300 && row.origin === "JFK" && row.month === 7), `${lines.length} lines`);
  const shown = await cells(page, "flight");
  check(lines.every((row, at) => String(row.flight) === shown[at]), "the file has another order than the page");
  const csv = await download(page, "CSV");
  check(/^flights-nyc-v1-flights\.csv$/.test(csv.name) && csv.bytes.toString().trim().split("\n").length === rows + 1, csv.name);
  check((await download(page, "Parquet")).bytes.subarray(0, 4).toString() === "PAR1", "that is no Parquet file");
  const twin = await (await page.request.get(page.url().replace("/table?", "/table.json?"))).json();
  check(twin.length === rows && twin[0].flight === lines[0].flight, "the JSON twin differs");

  // a lasting link shows the same row to somebody else
  const link = page.locator("#grid tbody th a").nth(2);
  const number = await link.textContent();
  const address = new URL(await link.getAttribute("href"), base).href;
  const other = await browser.newContext();
  const again = await other.newPage();
  await again.goto(await ask("link", "/"));
  await again.goto(address);
  await again.getByRole("heading", { level: 1, name: `Row ${number}` }).waitFor();
  const flight = await again.locator(".values > div").filter({ hasText: /^flight / }).locator("dd").textContent();
  check(flight === String(lines[2].flight), `row ${number} is flight ${flight}, not ${lines[2].flight}`);
  await other.close();

  // a mistake has its place
  await complaints.expecting([/422/], async () => {
    await page.goto(`${base}${table("flights.parquet")}&f=${encodeURIComponent("r.dep_dely > 60")}`);
    check((await page.locator("#mistake mark").textContent()) === "dep_dely", "the place is not marked");
    await page.getByText("did you mean r.dep_delay?").waitFor();
  });
  // and the checker speaks while one types
  await page.goto(base + table("flights.parquet"));
  await page.getByLabel("Only rows for which").pressSequentially("r.orgin");
  await page.locator("#verdict").getByText("did you mean r.origin?").waitFor();

  // a query, from an example to its plan
  await page.goto(`${base}/query`);
  await page.getByText(/one query gives out up to 1,000,000 rows/).waitFor();
  await page.locator(".examples a").first().click();
  await page.getByRole("region", { name: "Rows of the result" }).waitFor();
  await page.locator("#q").fill('dataset("flights/nyc", "flights.parquet")\n  .aggregate(r, {"carrier": r.carrier}, {"n": count()})\n  .sort(r, r.n, "desc")');
  await page.locator("#q").press("Control+Enter");
  await page.getByText("16 rows").waitFor();
  const first = await page.locator("#grid tbody tr").first().locator("td").allTextContents();
  check(first.join() === "UA,58665", `the first is ${first}`);
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByText("All of it runs over whole columns at a time.").waitFor();
};

// what works without scripts: reading, filtering, sorting, turning pages, queries
const plainly = async ({ browser, context, base }) => {
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
  const page = await plain.newPage();
  await page.goto(`${base}${table("weather.csv")}&stats=wait`);
  await page.getByText("26,115 rows").waitFor();
  await page.getByLabel("Only rows for which").fill("r.temp > 90");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.getByRole("link", { name: "Next" }).click();
  await page.getByText("Page 2 of").waitFor();
  await page.getByRole("link", { name: /^temp/ }).first().click();
  await page.locator("th[aria-sort=ascending]").waitFor();
  await page.goto(`${base}/query?q=${encodeURIComponent('dataset("flights/nyc", "weather.csv").count()')}`);
  await page.getByText("26115").waitFor();
  await plain.close();
};

export const run = async (all) => {
  await journey(all);
  await plainly(all);
  // the grid is reached and scrolled by keyboard
  await all.page.goto(all.base + table("flights.parquet"));
  await all.page.locator("#grid").focus();
  await all.page.keyboard.press("ArrowRight");
  await until("the grid scrolls", () => all.page.locator("#grid").evaluate((grid) => grid.scrollLeft > 0));
};
