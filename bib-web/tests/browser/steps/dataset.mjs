// From the list to a dataset, its proof and its bytes.
import { readFile } from "node:fs/promises";
import { check } from "../watch.mjs";

export const run = async ({ page, ask, base }) => {
  await page.goto(`${base}/datasets`);
  await page.getByLabel("Name or message").fill("WEATHER, 2013");
  await page.getByRole("button", { name: "Filter" }).click();
  check(page.url().includes("text=WEATHER"), `the filter is not in the address: ${page.url()}`);
  await page.getByRole("link", { name: "flights/nyc" }).click();
  await page.getByRole("heading", { level: 1, name: "flights/nyc" }).waitFor();
  const rows = page.getByRole("region", { name: /^Files/ }).locator("tbody tr");
  const names = await rows.locator("th").allTextContents();
  check(names.includes("flights.parquet") && names.includes("weather.csv"), `files: ${names}`);
  await page.getByText("336,776").first().waitFor();

  await page.getByRole("button", { name: "Verify now" }).click();
  await page.getByRole("status").getByText(/Verified now: all/).waitFor({ timeout: 300000 });

  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download weather.csv" }).click(),
  ]);
  const [got, original] = await Promise.all([readFile(await download.path()), readFile(await ask("file", "weather.csv"))]);
  check(got.equals(original), `weather.csv has ${got.length} bytes, not ${original.length} as it was`);

  const [archive] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download all" }).click()]);
  check(/^flights-nyc-v\d+\.tar$/.test(archive.suggestedFilename()), archive.suggestedFilename());
  await ask("untar", await archive.path());

  const json = await page.request.get(`${base}/datasets.json?topic=flights`);
  const list = await json.json();
  check(list.some((entry) => entry.name === "flights/nyc" && entry.rows > 300000), JSON.stringify(list));
};
