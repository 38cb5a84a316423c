'use strict';

document.documentElement.classList.add('script');

// Times in the reader's own zone and language.
const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const date = new Intl.DateTimeFormat(undefined, {weekday: 'short', day: 'numeric', month: 'short'});
const withYear = new Intl.DateTimeFormat(undefined, {day: 'numeric', month: 'short', year: 'numeric'});

function showTimes(root) {
  const now = new Date();
  for (const t of root.querySelectorAll('time')) {
    const at = new Date(t.dateTime);
    let day = (at.getFullYear() === now.getFullYear() ? date : withYear).format(at);
    if (at.toDateString() === now.toDateString()) day = 'Today';
    const sameDay = t.dataset.after && new Date(t.dataset.after).toDateString() === at.toDateString();
    t.textContent = (sameDay ? '' : day + ', ') + clock.format(at);
    t.title = at.toString();
  }
}

// A day begins at midnight of the reader's zone.
const filter = document.getElementById('filter');
if (filter) {
  filter.addEventListener('change', () => {
    const day = filter.elements.day.value;
    filter.elements.zone.value = day ? new Date(day + 'T00:00').getTimezoneOffset() : '';
    filter.requestSubmit();
  });
  filter.addEventListener('formdata', (e) => {
    for (const k of ['camera', 'day', 'zone']) if (!e.formData.get(k)) e.formData.delete(k);
  });
}

// The picture stays clear until it is clicked; then the browser's own controls appear.
function prepare(root) {
  for (const v of root.querySelectorAll('.view video')) {
    v.controls = false;
    const b = document.createElement('button');
    b.className = 'play';
    b.setAttribute('aria-label', 'Play');
    v.after(b);
  }
}

document.addEventListener('click', (e) => {
  const view = e.target.closest('.view');
  const v = view && view.querySelector('video');
  if (v && !v.controls) v.play();
});

// Clips of one event play one after the other. Only one event plays at a time.
document.addEventListener('play', (e) => {
  const v = e.target;
  if (!v.closest('.event')) return;
  v.controls = true;
  v.parentElement.querySelector('.play')?.remove();
  v.parentElement.querySelector('.moved')?.remove(); // it is on the cover, which is gone
  v.className = v.dataset.rotation > 0 ? 'turn' + v.dataset.rotation : '';
  for (const o of document.querySelectorAll('video')) if (o !== v) o.pause();
}, true);

document.addEventListener('ended', (e) => {
  const links = [...e.target.closest('.event').querySelectorAll('.clip')];
  const next = links[links.findIndex((l) => l.href === e.target.src) + 1];
  if (next) playClip(next);
}, true);

document.addEventListener('click', (e) => {
  const link = e.target.closest('.clip');
  if (!link) return;
  e.preventDefault();
  playClip(link);
});

function playClip(link) {
  const v = link.closest('.event').querySelector('video');
  v.src = link.href;
  v.dataset.rotation = link.dataset.rotation;
  v.play();
}

// The newest page renews itself: new events come on top, changed ones are replaced unless they play.
const live = document.getElementById('live');

function merge(fresh) {
  const cameras = document.getElementById('cameras');
  const newCameras = fresh.getElementById('cameras');
  showTimes(newCameras);
  if (cameras.innerHTML !== newCameras.innerHTML) {
    if (!cameras.children.length) { location.reload(); return; }
    const at = cameras.scrollLeft;
    cameras.replaceWith(newCameras);
    newCameras.scrollLeft = at;
  }
  const events = document.getElementById('events');
  const arrived = [...fresh.querySelectorAll('.event')];
  for (const e of arrived.reverse()) {
    const old = document.getElementById(e.id);
    showTimes(e);
    prepare(e);
    if (!old) {
      e.classList.add('new');
      const after = arrived.slice(0, arrived.indexOf(e)).reverse().map((a) => document.getElementById(a.id)).find(Boolean);
      events.insertBefore(e, after || events.firstElementChild);
    } else if (old.dataset.changed !== e.dataset.changed) {
      const v = old.querySelector('video');
      if (!v || (v.paused && v.currentTime === 0)) old.replaceWith(e);
    }
  }
  const none = document.getElementById('none');
  if (none && events.children.length) none.hidden = true;
}

async function renew() {
  if (document.hidden) return;
  const r = await fetch('/events' + location.search);
  if (r.status === 401) location.reload();
  if (!r.ok) return;
  merge(new DOMParser().parseFromString(await r.text(), 'text/html'));
}

// A camera's page shows its set-up as it happens; its live view stands between the parts that renew themselves.
const states = ['lost', 'status', 'changes', 'told'].map((id) => document.getElementById(id)).filter(Boolean);

async function renewStatus() {
  if (document.hidden || String(getSelection())) return;
  const r = await fetch(location.href);
  if (r.redirected || r.status === 404) location.reload();
  if (!r.ok) return;
  const page = new DOMParser().parseFromString(await r.text(), 'text/html');
  for (const state of states) {
    const fresh = page.getElementById(state.id);
    if (!fresh || state.contains(document.activeElement)) continue;
    showTimes(fresh);
    for (const d of fresh.querySelectorAll('details')) d.open = document.getElementById(d.id)?.open ?? d.open;
    if (state.innerHTML !== fresh.innerHTML) state.replaceChildren(...fresh.childNodes);
  }
}

showTimes(document);
prepare(document);

// Whoever comes back to the page sees at once how things stand.
function keepRenewing(f) {
  const again = () => f().catch(() => {});
  setInterval(again, 4000);
  document.addEventListener('visibilitychange', again);
}
if (states.length) keepRenewing(renewStatus);
if (live && live.dataset.renew) keepRenewing(renew);
