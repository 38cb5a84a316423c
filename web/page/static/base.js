// What all parts use: elements, the API, figures in words.

export const $ = (id) => document.getElementById(id);

// el makes an element. Text among its children never becomes HTML.
export function el(tag, properties = {}, ...children) {
	const e = Object.assign(document.createElement(tag), properties);
	e.append(...children);
	return e;
}

// say changes an element's text. The same again would be read out anew.
export function say(id, text) {
	const e = $(id);
	if (e.textContent !== text) e.textContent = text;
}

// verdict says it in a colour: good, warn or bad.
export function verdict(id, text, kind = '') {
	say(id, text);
	$(id).dataset.kind = kind;
}

// A Problem is the camera's refusal; status 0: it said nothing.
export class Problem extends Error {
	constructor(message, status) {
		super(message);
		this.status = status;
	}
}

// api asks the camera in JSON.
export async function api(path, method, body) {
	const r = await request(path, {method, headers: body && {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
	return r.json();
}

// request is a fetch that throws a Problem, and leads to the form who is not signed in.
export async function request(url, options) {
	const r = await fetch(url, options).catch(() => { throw new Problem('The camera does not answer.', 0); });
	if (r.status === 401) location.assign('/signin');
	if (r.ok) return r;
	let text = (await r.text()).trim();
	try {
		text = JSON.parse(text).error;
	} catch { /* not all errors are JSON */ }
	throw new Problem(text?.slice(0, 300) || `The camera answered ${r.status}.`, r.status);
}

// attempt does f and says at a place what fails; it is true if nothing does.
export function attempt(place, f, before = '') {
	say(place, '');
	return f().then(() => true, (e) => say(place, before + e.message));
}

// latest gives a function that sends values, one request at a time; what comes meanwhile goes in one.
export function latest(send) {
	let next, busy;
	return async (values) => {
		next = {...next, ...values};
		if (busy) return;
		busy = true;
		while (next) {
			const now = next;
			next = undefined;
			await send(now);
		}
		busy = false;
	};
}

// repeat calls f each period while wanted() holds, one call at a time. What it returns calls it at once.
export function repeat(period, wanted, f) {
	let timer, running, again;
	const run = async () => {
		clearTimeout(timer);
		again = running;
		if (running) return;
		running = true;
		if (wanted()) await f();
		running = false;
		timer = setTimeout(run, again ? 0 : period);
	};
	run();
	return run;
}

export const percent = (share) => {
	const p = share * 100;
	return `${p.toFixed(p >= 10 ? 0 : p >= 1 ? 1 : 2)} %`;
};

export function bytes(n) {
	const units = ['bytes', 'kB', 'MB', 'GB', 'TB'];
	let i = 0;
	for (; n >= 1000 && i < 4; i++) n /= 1000;
	return `${i && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

export function span(seconds) {
	const s = Math.max(0, Math.round(seconds));
	if (s < 90) return `${s} s`;
	if (s < 5400) return `${Math.round(s / 60)} min`;
	if (s < 129600) return `${Math.round(s / 3600)} h`;
	return `${Math.round(s / 86400)} days`;
}

export const ago = (time) => `${span((Date.now() - new Date(time)) / 1000)} ago`;

export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
