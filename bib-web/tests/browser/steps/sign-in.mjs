// From `bib ui` to the first page, and from a challenge to the same.
import { check } from "../watch.mjs";

export const run = async (journey) => {
  const { page, browser, ask, complaints } = journey;
  const link = await ask("link", "/");
  journey.base = new URL(link).origin;
  await page.goto(link);
  check(new URL(page.url()).pathname === "/" && !page.url().includes("token"), `the link led to ${page.url()}`);
  await page.getByRole("heading", { level: 1, name: /serves/ }).waitFor();
  const cookies = await page.context().cookies();
  const session = cookies.find((cookie) => cookie.name.startsWith("bib-") && cookie.name !== "bib-theme");
  check(session.httpOnly && session.sameSite === "Strict", `the session's cookie is ${JSON.stringify(session)}`);

  // the link is used up
  const other = await browser.newContext();
  const again = await other.newPage();
  await again.goto(link);
  await again.getByRole("alert").getByText("was used already").waitFor();

  // a signature made where the key is
  const command = await again.locator("#sign").textContent();
  await again.getByLabel("Signature").fill(await ask("sign", command.replace("bib auth sign ", "").trim()));
  await again.getByRole("button", { name: "Sign in" }).click();
  await again.getByRole("heading", { level: 1, name: /serves/ }).waitFor();

  // signing out ends the session, and not only the cookie
  const kept = await other.cookies();
  await again.getByRole("button", { name: "Sign out" }).click();
  await again.getByText("Signed out.").waitFor();
  await other.addCookies(kept);
  await again.goto(`${journey.base}/topics`);
  check(new URL(again.url()).pathname === "/login", `a session that has ended opens ${again.url()}`);
  check(new URL(again.url()).searchParams.get("next") === "/topics", `the way back is lost: ${again.url()}`);
  await other.close();
  complaints.take();
};
