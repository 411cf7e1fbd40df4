// No page is wider than a narrow window, whatever is open on it. With BIB_SHOTS, pictures of all of them for people.
import { tooWide } from "../narrow.mjs";
import { check } from "../watch.mjs";

const table = (file, more = "") => `/datasets/flights/nyc/v/1/table?file=${file}${more}`;
const asks = (text, more = "") => `/query?q=${encodeURIComponent(text)}${more}`;
const filtered = (text) => `&f=${encodeURIComponent(text)}`;
const hot = 'dataset("flights/nyc", "weather.csv").filter(r, r.temp > 90)';

const pages = async (page, base) => {
  await page.goto(`${base}/datasets`);
  const long = await page.getByRole("link", { name: /^weather\/long/ }).getAttribute("href");
  await page.goto(base + long);
  const longTable = await page.getByRole("link", { name: /^measurements_/ }).first().getAttribute("href");
  const home = await (await page.request.get(`${base}/`)).text();
  return {
    home: "/",
    datasets: "/datasets",
    "datasets-none": "/datasets?text=nothing-fits-this",
    dataset: "/datasets/flights/nyc",
    "dataset-long": long,
    "dataset-none": "/datasets/flights/none",
    table: table("flights.parquet", "&stats=wait"),
    "table-filtered": table("weather.csv", `&stats=wait&sort=temp${filtered("r.temp > 90")}`),
    "table-long": longTable,
    "table-nothing": table("weather.csv", filtered("r.temp > 9000.0")),
    "table-mistake": table("flights.parquet", filtered('r.dep_dely > 60 && r.origin == "JFK" && r.carrier == "UA" && r.month == 7')),
    row: table("flights.parquet", "&row=12"),
    query: "/query",
    "query-result": asks(hot),
    "query-explain": asks(hot, "&show=explain"),
    "query-mistake": asks(`${hot}.sort(r, r.tmp, "descending-and-then-some")`),
    topics: "/topics",
    topic: "/topics/flights",
    unsubscribe: "/topics/flights?ask=unsubscribe",
    nodes: "/nodes",
    node: `/nodes/${/12D3Koo\w+/.exec(home)[0]}`,
    audit: "/audit",
    nothing: "/there/is/nothing",
    login: "/login",
  };
};

export const run = async ({ page, base, complaints }) => {
  const all = await pages(page, base);
  const folder = process.env.BIB_SHOTS;
  const failures = [];
  await complaints.expecting([/40[0-9]|422/], async () => {
    for (const width of folder ? [1280, 320] : [320]) {
      await page.setViewportSize({ width, height: 800 });
      for (const [name, path] of Object.entries(all)) {
        await page.goto(base + path);
        for (const open of [false, true]) {
          if (open) await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
          for (const what of await tooWide(page)) failures.push(`${name} at ${width}${open ? ", opened" : ""}: ${what}`);
        }
        if (!folder) continue;
        await page.goto(base + path);
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme });
          await page.screenshot({ path: `${folder}/${name}-${width}-${colorScheme}.png`, fullPage: true });
        }
      }
    }
  });
  await page.setViewportSize({ width: 1280, height: 800 });
  check(failures.length === 0, failures.join("\n"));
};
