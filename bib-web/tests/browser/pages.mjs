// Every page of a node that has data and knows another one, and how it is come by.
import { check } from "./watch.mjs";

const table = (file, more = "") => `/datasets/flights/nyc/v/1/table?file=${file}${more}`;
const asks = (text, more = "") => `/query?q=${encodeURIComponent(text)}${more}`;
const filtered = (text) => `&f=${encodeURIComponent(text)}`;
// few rows: what is looked at of a page takes as long as it has cells
const hot = 'dataset("flights/nyc", "weather.csv").filter(r, r.temp > 98)';

/** All of them by name: each an address, or `path` with `status` where it is not 200, or with the button to `press` there. */
export const pages = async (page, base, other) => {
  await page.goto(`${base}/datasets`);
  const long = await page.getByRole("link", { name: /^weather\/long/ }).getAttribute("href");
  await page.goto(base + long);
  const longTable = await page.getByRole("link", { name: /^measurements_/ }).first().getAttribute("href");
  return {
    home: "/",
    datasets: "/datasets",
    "datasets-none": "/datasets?text=nothing-fits-this",
    dataset: "/datasets/flights/nyc",
    "dataset-long": long,
    "dataset-replica": "/datasets/measured/noise",
    "dataset-none": { path: "/datasets/flights/none", status: 404 },
    verified: { path: "/datasets/weather/hourly", press: "Verify now", shows: /Verified now: all/ },
    table: table("flights.parquet", "&stats=wait"),
    "table-filtered": table("weather.csv", `&stats=wait&sort=temp${filtered("r.temp > 98")}`),
    "table-long": longTable,
    "table-nothing": table("weather.csv", filtered("r.temp > 9000.0")),
    "table-mistake": {
      path: table("flights.parquet", filtered('r.dep_dely > 60 && r.origin == "JFK" && r.carrier == "UA" && r.month == 7')),
      status: 422,
    },
    row: table("flights.parquet", "&row=12"),
    query: "/query",
    "query-result": asks(hot),
    "query-explain": asks(hot, "&show=explain"),
    "query-mistake": { path: asks(`${hot}.sort(r, r.tmp, "descending-and-then-some")`), status: 422 },
    topics: "/topics",
    topic: "/topics/flights",
    unsubscribe: "/topics/flights?ask=unsubscribe",
    nodes: "/nodes",
    node: `/nodes/${other}`,
    disconnect: `/nodes/${other}?ask=disconnect`,
    forget: `/nodes/${other}?ask=forget`,
    ticket: { path: "/nodes", press: "Make a ticket", shows: /^bib join bib1/ },
    audit: "/audit",
    "audit-verified": { path: "/audit", press: "Verify the whole log", shows: /^All [\d,]+ records hang together/ },
    nothing: { path: "/there/is/nothing", status: 404 },
    login: "/login",
  };
};

/** Leads to one of them; fails when it is answered with another status than it is meant to be. */
export const open = async ({ page, base, complaints }, name, one) => {
  const { path, status = 200, press, shows } = typeof one === "string" ? { path: one } : one;
  const expected = status === 200 ? [] : [new RegExp(`status of ${status}`)];
  await complaints.expecting(expected, async () => {
    let answer = await page.goto(base + path);
    if (press) {
      check(answer.status() === 200, `${name}: ${path} is answered with ${answer.status()}`);
      [answer] = await Promise.all([page.waitForNavigation(), page.getByRole("button", { name: press }).click()]);
    }
    check(answer.status() === status, `${name}: ${path} is answered with ${answer.status()}, not ${status}`);
    if (shows) await page.getByText(shows).waitFor();
  });
};
