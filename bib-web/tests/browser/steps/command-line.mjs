// "The same on the command line" is the same: what is copied from a table, run in a shell, gives the rows of the page.
import { check } from "../watch.mjs";

const table = (filter, more = "") =>
  `/datasets/flights/nyc/v/1/table?file=flights.parquet${more}&f=${encodeURIComponent(filter)}`;

// text in both kinds of quotes, of which a shell knows one; many pages of rows, in the order of the file
const many = table("r.origin == 'JFK' && r.dest == \"LAX\" && r.dep_delay > 30");
// few rows in an order of their own, in which those with the same value are equal
const sorted = table('r.dep_delay > 300 && r.origin == "JFK" && r.month == 7', "&sort=dep_delay&dir=desc");

// a missing value may be left out
const present = (row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));

const copied = async (page, address) => {
  await page.goto(address);
  await page.locator("button[data-copy=cli]").click();
  await page.locator("button[data-copy=cli]", { hasText: "Copied" }).waitFor();
  const line = await page.evaluate(() => navigator.clipboard.readText());
  check(line === (await page.locator("#cli").textContent()).trim(), `what was copied is ${line}`);
  return line;
};

// what the page shows of its rows, by the names of the columns
const shown = (page) =>
  page.locator("#grid").evaluate((grid) => {
    const names = [...grid.querySelectorAll("thead a.sort")].map((link) => link.textContent.replace(/[↑↓]/, "").trim());
    const cells = (row) => [...row.querySelectorAll("td")].map((cell) => (cell.className === "null" ? null : cell.textContent));
    return [...grid.querySelectorAll("tbody tr")].map((row) => Object.fromEntries(cells(row).map((cell, at) => [names[at], cell])));
  });

const same = (cell, value) => (typeof value === "number" ? Number(cell) === value : cell === String(value));

export const run = async ({ context, page, ask, base }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: base });
  const rowsOf = async (path) => {
    const line = await copied(page, base + path);
    const said = (await ask("run", line)).trim().split("\n").map((text) => present(JSON.parse(text)));
    const twin = await (await page.request.get(`${base}${path.replace("/table?", "/table.json?")}`)).json();
    return { line, said, twin: twin.map(present), cells: await shown(page) };
  };

  for (const path of [many, `${many}&page=2`]) {
    const { line, said, twin, cells } = await rowsOf(path);
    check(said.length === 100 && cells.length === 100, `${line} gives ${said.length} rows, the page shows ${cells.length}`);
    said.forEach((row, at) => {
      const [one, two] = [row, twin[at]].map((row) => JSON.stringify(row));
      check(one === two, `row ${at + 1} of ${line} is ${one}, the page's JSON has ${two}`);
      for (const [name, cell] of Object.entries(cells[at])) {
        const fits = cell === null ? row[name] === undefined : same(cell, row[name]);
        check(fits, `row ${at + 1} of ${line} has ${row[name]} in ${name}, the page shows ${cell}`);
      }
    });
  }

  const few = await rowsOf(sorted);
  const all = (rows) => rows.map((row) => JSON.stringify(row)).sort().join("\n");
  const order = (rows) => rows.map((row) => Number(row.dep_delay)).join();
  check(few.said.length > 3 && all(few.said) === all(few.twin), `${few.line} gives other rows than the page's JSON`);
  check(order(few.said) === order(few.cells), `${few.line} gives ${order(few.said)}, the page shows ${order(few.cells)}`);
  await context.clearPermissions();
};
