"use strict";
// The phones: one column per person, fed by server-sent events. Everything shown is set as text, never as markup.

const SHOWN = 200; // messages per phone
const FIRST_PERSON = "+15550000002";
const STORED = "simulator-phones";

const byId = (id) => document.getElementById(id);
const messages = new Map(); // sid -> newest version
const phones = new Map(); // person -> elements
let lastSeq = 0;
let drawerSid = null;

const STATES = {
  scheduled: ["Scheduled", ""],
  accepted: ["Accepted", ""],
  queued: ["Queued", ""],
  sending: ["Sending", ""],
  sent: ["Sent", ""],
  delivered: ["Delivered", "good"],
  read: ["Read", "good"],
  canceled: ["Canceled", ""],
  undelivered: ["Not delivered", "bad"],
  failed: ["Failed", "bad"],
};

const FILES = { "application/pdf": "PDF document", "text/vcard": "Contact", "text/plain": "Text file" };
const ADDRESS = /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// --- phones ---------------------------------------------------------------------------------------------------------

function remember() {
  localStorage.setItem(STORED, JSON.stringify([...phones.keys()]));
}

function addPhone(person, focus) {
  if (phones.has(person)) {
    phones.get(person).body.focus();
    return;
  }
  const node = byId("phone-template").content.cloneNode(true).firstElementChild;
  const find = (selector) => node.querySelector(selector);
  const phone = {
    node,
    list: find(".messages"),
    body: find("textarea"),
    problem: find(".problem"),
    number: find(".number"),
    items: new Map(),
  };
  find(".person").textContent = person;
  node.setAttribute("aria-label", `Phone of ${person}`);
  phone.list.setAttribute("aria-label", `Messages of ${person}`);
  phone.body.id = `body-${person.slice(1)}`;
  find(".body-label").htmlFor = phone.body.id;
  find(".remove").addEventListener("click", () => {
    node.remove();
    phones.delete(person);
    remember();
    byId("new-person").focus();
  });
  wireCompose(phone, person, find("form"));
  phones.set(person, phone);
  byId("phones").append(node);
  for (const message of messages.values()) {
    if (message.person === person) render(message);
  }
  remember();
  if (focus) phone.body.focus();
}

function wireCompose(phone, person, form) {
  const files = form.elements.media;
  const chosen = form.querySelector(".chosen");
  files.addEventListener("change", () => {
    chosen.textContent = [...files.files].map((file) => file.name).join(", ");
    chosen.hidden = !files.files.length;
  });
  phone.body.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const data = new FormData(form);
    if (!phone.body.value && !files.files.length) return;
    data.set("from", person);
    data.set("to", phone.number.value);
    data.set("wait", "false");
    const typed = phone.body.value;
    form.reset();
    chosen.hidden = true;
    phone.body.focus(); // the next answer is typed at once, also after a click on Send
    const problem = await post(data);
    phone.problem.textContent = problem;
    phone.problem.hidden = !problem;
    if (problem && !phone.body.value) phone.body.value = typed;
  });
}

async function post(data) {
  try {
    const answer = await fetch("/simulator/texts", { method: "POST", body: data });
    if (answer.ok) return "";
    const document = await answer.json().catch(() => ({}));
    return document.error || `Not sent (HTTP ${answer.status}).`;
  } catch {
    return "Not sent: the simulator cannot be reached.";
  }
}

// --- messages -------------------------------------------------------------------------------------------------------

function take(message) {
  lastSeq = Math.max(lastSeq, message.seq);
  const known = messages.get(message.sid);
  if (known && known.seq >= message.seq) return;
  messages.set(message.sid, message);
  if (!known) suggest(message.person);
  render(message);
  if (drawerSid === message.sid) showMessage(message);
}

function suggest(person) {
  const list = byId("known-persons");
  if (![...list.options].some((option) => option.value === person)) {
    list.append(element("option", { value: person }));
  }
}

function render(message) {
  const phone = phones.get(message.person);
  if (!phone) return;
  const atEnd = phone.list.scrollHeight - phone.list.scrollTop - phone.list.clientHeight < 80;
  let item = phone.items.get(message.sid);
  const isNew = !item;
  if (isNew) {
    item = byId("message-template").content.cloneNode(true).firstElementChild;
    const name = message.direction === "inbound" ? "mine" : message.origin === "twilio" ? "carrier" : "theirs";
    item.classList.add(name);
    item.querySelector(".details").addEventListener("click", () => openMessage(message.sid));
    phone.items.set(message.sid, item);
    phone.list.append(item);
  }
  showText(item.querySelector(".text"), message.body);
  showMedia(item.querySelector(".media"), message.media);
  showState(item.querySelector(".state"), message);
  if (isNew && phone.items.size > SHOWN) {
    const [oldest, node] = phone.items.entries().next().value;
    node.remove();
    phone.items.delete(oldest);
  }
  if (atEnd || (isNew && message.direction === "inbound")) phone.list.scrollTop = phone.list.scrollHeight;
}

function showText(place, text) {
  if (place.dataset.shown === text) return; // what somebody is selecting must not change
  place.dataset.shown = text;
  place.replaceChildren(...text.split(ADDRESS).map((part, index) => (index % 2 ? link(part) : part)));
}

function link(address) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer", textContent: address });
}

function showMedia(place, media) {
  const wanted = media.map((one) => one.sid).join();
  if (place.dataset.shown === wanted) return; // a picture that is loaded again would flicker, a sound would stop
  place.dataset.shown = wanted;
  place.replaceChildren(...media.map(file));
}

function file(media) {
  const kind = media.content_type.split("/")[0];
  if (kind === "image") {
    return scrolledTo("load", element("img", { src: media.url, alt: `Picture (${media.content_type})`, loading: "lazy" }));
  }
  if (kind === "video") {
    const properties = { src: media.url, controls: true, preload: "metadata", playsInline: true };
    return named("Film", media, scrolledTo("loadedmetadata", element("video", properties)));
  }
  if (kind === "audio") {
    return named("Sound", media, element("audio", { src: media.url, controls: true, preload: "metadata" }));
  }
  // Saved, not opened: the simulator serves it in a sandbox, where browsers show no documents.
  const extension = media.content_type.split("/")[1].replace(/[^a-z0-9].*$/, "");
  return element("a", {
    href: media.url,
    className: "file",
    download: `${media.sid}.${extension}`,
    textContent: `${FILES[media.content_type] || media.content_type}, ${size(media.bytes)}`,
  });
}

function named(what, media, player) {
  player.setAttribute("aria-label", `${what} (${media.content_type}, ${size(media.bytes)})`);
  return player;
}

function scrolledTo(event, node) {
  node.addEventListener(event, () => {
    const list = node.closest(".messages");
    if (list) list.scrollTop = list.scrollHeight;
  });
  return node;
}

function size(bytes) {
  return bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} kB`;
}

function showState(place, message) {
  const parts = [];
  let tone = "";
  if (message.direction === "inbound") {
    [parts[0], tone] = webhookState(message.attempts);
  } else if (message.origin === "twilio") {
    parts.push("Twilio’s own answer");
  } else {
    [parts[0], tone] = STATES[message.status] || [message.status, ""];
    if (message.error_code) parts[0] += ` (${message.error_code})`;
  }
  parts.push(segments(message), message.encoding);
  place.textContent = parts.join(" · ");
  place.dataset.tone = tone;
}

function segments(message) {
  return message.segments === 1 ? "1 segment" : `${message.segments} segments`;
}

function webhookState(attempts) {
  const asked = attempts.filter((attempt) => attempt.kind !== "status");
  if (!asked.length) return ["Sent", ""];
  const last = asked[asked.length - 1];
  return last.code ? [`Webhook failed (${last.code})`, "bad"] : [`Hub answered in ${last.milliseconds} ms`, "good"];
}

// --- drawer ---------------------------------------------------------------------------------------------------------

function openMessage(sid) {
  drawerSid = sid;
  showMessage(messages.get(sid));
  byId("drawer").showModal();
}

function showMessage(message) {
  byId("drawer-title").textContent = message.direction === "inbound" ? "Text to the hub" : "Text to the person";
  const facts = [
    ["Sid", message.sid],
    ["From", message.from || "not chosen yet"],
    ["To", message.to],
    ["Status", message.status],
    ["Length", `${[...message.body].length} characters, ${segments(message)}, ${message.encoding}`],
    ["Service", message.service],
    ["Error", message.error_code ? `${message.error_code}: ${message.error}` : ""],
    ["Media", message.media.map((one) => `${one.content_type}, ${one.bytes} bytes (${one.sid})`).join("; ")],
    ["Status to", message.status_callback],
    ["Created", new Date(message.created).toLocaleString()],
  ];
  const list = element("dl");
  for (const [name, value] of facts) {
    if (value) list.append(element("dt", { textContent: name }), element("dd", { textContent: value }));
  }
  byId("drawer-body").replaceChildren(list, ...requests(message.attempts));
}

function requests(attempts) {
  const title = element("h3", { textContent: "Requests to the hub" });
  if (!attempts.length) return [title, element("p", { textContent: "None yet." })];
  const list = element("ol");
  for (const attempt of attempts) {
    const outcome = attempt.status ? `HTTP ${attempt.status}` : attempt.error;
    const item = element("li", {}, `${attempt.kind}: ${outcome}, ${attempt.milliseconds} ms`);
    if (attempt.code) item.append(element("span", { className: "bad", textContent: ` ${attempt.code}: ${attempt.explanation}` }));
    item.append(element("span", { className: "url", textContent: attempt.url }));
    list.append(item);
  }
  return [title, list];
}

async function openDebugger() {
  drawerSid = null;
  byId("drawer-title").textContent = "Debugger";
  byId("drawer-body").replaceChildren(element("p", { textContent: "Loading…" }));
  byId("drawer").showModal();
  const { alerts } = await (await fetch("/simulator/debugger")).json();
  const list = element("ol");
  for (const alert of alerts.reverse()) {
    const item = element("li", {}, `${new Date(alert.at).toLocaleTimeString()}  `);
    item.append(element("span", { className: "bad", textContent: `${alert.code}: ${alert.message}` }));
    item.append(element("span", { className: "url", textContent: `${alert.detail} ${alert.sid}` }));
    list.append(item);
  }
  const nothing = element("p", { textContent: "Nothing has gone wrong so far." });
  byId("drawer-body").replaceChildren(alerts.length ? list : nothing);
}

// --- start ----------------------------------------------------------------------------------------------------------

async function catchUp() {
  const answer = await fetch(`/simulator/messages?after=${lastSeq}`);
  for (const message of (await answer.json()).messages) take(message);
}

function listen() {
  const events = new EventSource("/simulator/events");
  events.addEventListener("open", () => {
    byId("connection").textContent = "";
    catchUp();
  });
  events.addEventListener("message", (event) => take(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    byId("connection").textContent = "Connection lost, trying again.";
  });
}

byId("add-phone").addEventListener("submit", (event) => {
  event.preventDefault();
  addPhone(event.target.elements.person.value, true);
  event.target.reset();
});
byId("show-debugger").addEventListener("click", openDebugger);
byId("drawer").addEventListener("close", () => {
  drawerSid = null;
});
byId("drawer").addEventListener("click", (event) => {
  if (event.target === event.currentTarget) event.currentTarget.close(); // a click beside the drawer
});

function storedPhones() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) || "[]");
    return stored.length ? stored : [FIRST_PERSON];
  } catch {
    return [FIRST_PERSON];
  }
}

const asked = new URLSearchParams(location.search).getAll("person");
for (const person of asked.length ? asked : storedPhones()) addPhone(person, false);
phones.values().next().value?.body.focus({ preventScroll: true });
listen();
