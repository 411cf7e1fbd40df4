// Connecting and pairing with another node from the page: what is wrong is said and stays in its field, what is right works.
import { check } from "../watch.mjs";

export const run = async (journey) => {
  const { page, ask, base, complaints } = journey;
  await ask("other", "begin");
  await page.goto(`${base}/nodes`);
  await page.getByText("This node knows no other.").waitFor();
  const [ticket, address] = [page.getByLabel("Ticket from the other node"), page.getByLabel("Address")];
  const send = async (field, text, button) => {
    await field.fill(text);
    const press = page.getByRole("button", { name: button, exact: true }).click();
    const [answer] = await Promise.all([page.waitForNavigation(), press]);
    return answer.status();
  };
  const refused = async (field, text, button, says) => {
    const status = await send(field, text, button);
    check(status >= 400, `${button} with ${text} is answered with ${status}`);
    await page.getByRole("alert").getByText(says).first().waitFor();
    check((await field.inputValue()) === text, `what was typed is lost: ${text}`);
  };
  await complaints.expecting([/status of [45]\d\d/], async () => {
    for (const wrong of ["hello", "bib1nonsense"]) await refused(ticket, wrong, "Join", /ticket/);
    await refused(address, "nowhere", "Connect", /nowhere/);
    // a port at which nobody answers
    await refused(address, "/ip4/127.0.0.1/tcp/1", "Connect", /127\.0\.0\.1/);
  });
  await page.getByText("This node knows no other.").waitFor();

  const row = page.getByRole("group", { name: "Nodes" }).locator("tbody tr");
  await send(address, await ask("other", "address"), "Connect");
  await page.getByRole("status").getByText("Connected.").waitFor();
  await row.getByText("not paired").waitFor();
  await row.getByText("connected", { exact: true }).waitFor();

  const text = await ask("other", "ticket");
  await page.getByLabel("take its catalogue").check();
  await send(ticket, text, "Join");
  await page.getByRole("status").getByText("The two nodes are paired.").waitFor();
  await row.getByText("paired, base").waitFor();
  const nodes = await (await page.request.get(`${base}/nodes.json`)).json();
  check(nodes.length === 1 && nodes[0].paired && nodes[0].base, `the nodes are ${JSON.stringify(nodes)}`);
  journey.other = nodes[0].id;

  // a ticket is good once
  await complaints.expecting([/status of [45]\d\d/], () => refused(ticket, `${text}x`, "Join", /ticket/));
  await page.getByRole("link", { name: "lab-b" }).click();
  await page.getByRole("heading", { level: 1, name: "lab-b" }).waitFor();
  await page.getByText("paired; this node takes its catalogue").waitFor();
};
