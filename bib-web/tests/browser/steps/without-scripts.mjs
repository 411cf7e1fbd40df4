// Reading, and doing, with scripts off.
import { check } from "../watch.mjs";

export const run = async ({ browser, context, base }) => {
  const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
  const page = await plain.newPage();
  await page.goto(`${base}/`);
  await page.getByRole("heading", { level: 1, name: /serves/ }).waitFor();
  await page.getByRole("link", { name: "Datasets" }).first().click();
  await page.getByRole("link", { name: "flights/nyc" }).click();
  await page.getByText("Columns of flights.parquet").click();
  await page.getByRole("rowheader", { name: "dep_delay" }).first().waitFor();
  await page.goto(`${base}/topics`);
  await page.getByLabel("Name", { exact: true }).fill("without-scripts");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("The topic is there.").waitFor();
  await page.getByRole("button", { name: "Colours:" }).click();
  check((await page.locator("html").getAttribute("data-theme")) === "dark", "the colours need scripts");
  await page.goto(`${base}/topics/flights`);
  await page.getByRole("button", { name: "Subscribe" }).click();
  await page.getByText("Subscribed. New versions").waitFor();
  await page.getByRole("link", { name: "Unsubscribe…" }).click();
  await page.getByText("Type the topic's name to go on.").waitFor();
  await plain.close();
};
