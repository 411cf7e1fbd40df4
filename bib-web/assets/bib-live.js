// One stream of events for the whole browser: the tab that holds the lock reads it and tells the others.
//
// A signal becomes an event "bib:KIND" on the body, at most one of a kind in a second; what shows that kind then fetches
// itself again. "bib:resync" is for everything: after a gap, after an outage, after a tab was hidden, and when it is not
// known what came between the page and the stream.
"use strict";
// not before: htmx, which hears what is dispatched here, has looked through the page by then
document.addEventListener("DOMContentLoaded", () => {
  const EVERY = 1000;
  const HIDDEN = 30000;
  const TICK = 5000;
  const LEAVING = 10000;
  const OPENING = 15000;
  const banner = document.getElementById("away");
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("bib-live") : null;
  let release = null;
  let asking = null;
  let stale = false;
  let outage = false;

  // Up to where this tab has been told. Its next page goes on from there, which was asked for after that: what comes while
  // a page is on its way may not be in it.
  const KEPT = "bib-live";
  const kept = () => { try { return sessionStorage.getItem(KEPT) || ""; } catch { return ""; } };
  const keep = (at) => { try { sessionStorage.setItem(KEPT, at); } catch { /* then the next page begins with a resync */ } };
  let last = kept();
  let left = last;
  let leaving = 0;
  const stay = () => { clearTimeout(leaving); leaving = 0; keep(last); };
  window.addEventListener("beforeunload", () => {
    left = last;
    clearTimeout(leaving);
    // a download begins as a page does that is asked for, and leaves this one where it is
    leaving = setTimeout(stay, LEAVING);
  });
  const reach = (at) => {
    last = at;
    if (!leaving) keep(at);
  };

  const due = new Map();
  const dispatch = (kind) => document.body.dispatchEvent(new CustomEvent(`bib:${kind}`));
  // the first signal of a kind is passed on at once, those that follow within a second as one
  const tell = (kind) => {
    if (document.hidden) { stale = true; return; }
    const waiting = due.get(kind);
    if (waiting) { waiting.again = true; return; }
    const entry = { again: false };
    due.set(kind, entry);
    dispatch(kind);
    setTimeout(() => { due.delete(kind); if (entry.again) tell(kind); }, EVERY);
  };

  // how long to wait before trying once more, in seconds
  const pause = (tries) => Math.min(2 * 2 ** Math.min(tries, 3), 15);

  // nobody signals again what could not be fetched
  let failures = 0;
  let repeat = 0;
  const fetched = ({ target, detail }) => {
    if (target.id !== "live" || !detail.successful) return;
    clearTimeout(repeat);
    failures = 0;
  };
  const failed = ({ target, detail }) => {
    const { status } = detail.xhr;
    // what was refused, or is not there any more, would be the same again
    if (target.id !== "live" || (status >= 400 && status < 500 && status !== 429)) return;
    clearTimeout(repeat);
    repeat = setTimeout(() => tell("resync"), pause(failures) * 1000);
    failures += 1;
  };
  document.addEventListener("htmx:afterRequest", fetched);
  for (const event of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) document.addEventListener(event, failed);

  // where no stream is to be had, what is shown is fetched again now and then
  let ticking = 0;
  const tick = (on) => {
    if (on === (ticking !== 0)) return;
    clearInterval(ticking);
    ticking = on ? setInterval(() => tell("resync"), TICK) : 0;
  };

  const say = (text) => { banner.textContent = text; banner.hidden = text === ""; };
  const hear = (message) => {
    if (message.at) {
      // whoever stands elsewhere than the reader did before has missed something, or cannot know that it has not
      if (last === "" || last !== message.after) tell("resync");
      reach(message.at);
    }
    if (message.kind === "away" || message.kind === "silent") {
      outage = true;
      tick(message.kind === "silent");
      if (ticking) say(`There are no live updates now. What is shown is loaded again every ${TICK / 1000} s.`);
      else say(`Disconnected from the node. Trying again in ${message.seconds} s.`);
    } else if (message.kind === "back") {
      if (outage) tell("resync");
      outage = false;
      tick(false);
      say("");
    } else if (message.kind !== "begin") {
      tell(message.kind);
    }
  };
  const share = (message) => { if (channel) channel.postMessage(message); hear(message); };
  if (channel) {
    channel.onmessage = ({ data }) => {
      if (data.kind !== "hello") hear(data);
      // a page that has just come is told where the stream stands
      else if (release && last) channel.postMessage({ kind: "begin", at: last, after: last });
    };
    channel.postMessage({ kind: "hello" });
  }

  // Whether the node answers: then it gives out no more streams, or something on the way lets none through. A session that
  // has ended looks like an outage from here.
  const answers = async () => {
    try {
      const answer = await fetch("/session", { redirect: "manual", signal: AbortSignal.timeout(TICK) });
      // a page that is on its way already must not be called back: signing out ends the session, and says so there
      if (answer.type === "opaqueredirect" && !leaving) location.reload();
      return answer.status === 204;
    } catch {
      return false;
    }
  };

  // the reader's own part: resolves when this tab gives the stream up
  const read = () => new Promise((done) => {
    let source = null;
    let timer = 0;
    let tries = 0;
    let opening = false;
    const failed = async () => {
      source.close();
      clearTimeout(timer);
      const seconds = pause(tries);
      tries += 1;
      const now = tries;
      timer = setTimeout(open, tries > 1 ? seconds * 1000 : 100);
      // a stream ends now and then; only what cannot be opened again is an outage
      if (tries === 1) return;
      const kind = (await answers()) ? "silent" : "away";
      // meanwhile it may have been opened, or given up
      if (timer && tries === now) share({ kind, seconds });
    };
    const open = () => {
      opening = true;
      source = new EventSource(last ? `/events?after=${encodeURIComponent(last)}` : "/events");
      // the node begins with a signal: where none comes, something on the way holds the stream back
      timer = setTimeout(failed, OPENING);
      source.addEventListener("signal", (event) => {
        if (opening) {
          opening = false;
          clearTimeout(timer);
          tries = 0;
          share({ kind: "back" });
        }
        share({ ...JSON.parse(event.data), at: event.lastEventId, after: last });
      });
      source.onerror = failed;
    };
    release = () => { clearTimeout(timer); timer = 0; if (source) source.close(); release = null; done(); };
    open();
  });

  const lead = () => {
    if (asking || document.hidden) return;
    if (!navigator.locks) { setInterval(() => tell("resync"), TICK); asking = {}; return; }
    asking = new AbortController();
    navigator.locks.request("bib-live", { signal: asking.signal }, read).catch(() => {}).finally(() => {
      asking = null;
      lead();
    });
  };

  let hiding = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) {
      // soon enough that a tab that is looked at gets the lock
      hiding = setTimeout(() => {
        // nobody may read from now on: what this tab shows is old when it is looked at again
        stale = true;
        if (release) release();
        else if (asking && asking.abort) asking.abort();
      }, HIDDEN);
    } else {
      if (stale) { stale = false; tell("resync"); }
      lead();
    }
  });
  window.addEventListener("pagehide", () => {
    // what came since the next page was asked for may not be in it
    keep(left);
    if (release) release();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) { stay(); tell("resync"); lead(); } });
  lead();
});
