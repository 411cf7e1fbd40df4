// Making a topic, what is wrong beside the form, and a deed that wants a typed name.
import { check } from "../watch.mjs";

export const run = async ({ page, base, complaints }) => {
  await page.goto(`${base}/topics`);
  await complaints.expecting([/422/], async () => {
    await page.getByLabel("Name", { exact: true }).fill("Not A Name");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByRole("alert").getByText("a-z, 0-9").waitFor();
  });
  check((await page.getByLabel("Name", { exact: true }).inputValue()) === "Not A Name", "what was typed is lost");
  await page.getByLabel("Name", { exact: true }).fill("from-a-page");
  await page.getByLabel("Description").fill("<script>alert(1)</script>");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByRole("status").getByText("The topic is there.").waitFor();
  await page.getByText("<script>alert(1)</script>").waitFor();

  const subscribe = page.getByRole("button", { name: "Subscribe" });
  if (await subscribe.isVisible()) {
    await subscribe.click();
    await page.getByText("Subscribed. New versions").waitFor();
  }
  await page.getByRole("link", { name: "Unsubscribe…" }).click();
  const dialog = page.getByRole("dialog");
  const deed = dialog.getByRole("button", { name: "Unsubscribe" });
  check(await deed.isDisabled(), "the deed is there before the name was typed");
  await dialog.getByLabel("Name").fill("from-a-pag");
  check(await deed.isDisabled(), "another name is enough");
  await dialog.getByLabel("Name").fill("from-a-page");
  await deed.click();
  await page.getByText("Unsubscribed.").waitFor();

  await page.goto(`${base}/nodes`);
  await page.getByRole("button", { name: "Make a ticket" }).click();
  await page.locator("#ticket").getByText(/^bib join bib1/).waitFor();
  await complaints.expecting([/4\d\d/], async () => {
    await page.goto(`${base}/topics/nothing-here`);
    await page.getByRole("alert").getByText("bib topic create nothing-here").waitFor();
  });
};
