// What all parts of the page use: elements, the API, figures in words.

export const $ = (id) => document.getElementById(id);

// el makes an element. Children are elements or text; text never becomes HTML.
export function el(tag, properties = {}, ...children) {
	const e = Object.assign(document.createElement(tag), properties);
	e.append(...children);
	return e;
}

// say sets an element's text, and leaves it alone if it has it: a live region would be read out anew.
export function say(id, text) {
	const e = typeof id === 'string' ? $(id) : id;
	if (e.textContent !== text) e.textContent = text;
}

// verdict says something with a colour: good, warn, bad, or none.
export function verdict(id, text, kind = '') {
	say(id, text);
	$(id).dataset.kind = kind;
}

export function signIn() {
	location.assign('/signin');
}

// A Problem is what the camera said against a request, in its words.
export class Problem extends Error {
	constructor(message, status) {
		super(message);
		this.status = status;
	}
}

// api asks the camera. A body is sent as JSON. It throws a Problem with words for the reader.
export async function api(path, method = 'GET', body = undefined) {
	const headers = {Accept: 'application/json'};
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	let r;
	try {
		r = await fetch(path, {method, headers, body: body === undefined ? null : JSON.stringify(body), cache: 'no-store'});
	} catch {
		throw new Problem('The camera does not answer.', 0);
	}
	if (r.status === 401) signIn();
	const text = await r.text();
	let value;
	try {
		value = JSON.parse(text);
	} catch {
		if (r.ok && !text) return {};
		throw new Problem(text.trim().slice(0, 300) || `The camera answered ${r.status}.`, r.status);
	}
	if (!r.ok) throw new Problem(value.error || `The camera answered ${r.status}.`, r.status);
	return value;
}

// latest gives a function that sends what it is given, one request at a time. What comes meanwhile is merged by key, and goes in one.
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

// repeat calls f now and each period while wanted() holds, never twice at a time. The function it gives makes it ask at once.
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
	return `${p >= 10 ? p.toFixed(0) : p >= 1 ? p.toFixed(1) : p.toFixed(2)} %`;
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

// ago is by this browser's clock, which may differ from the camera's.
export const ago = (time) => `${span((Date.now() - new Date(time)) / 1000)} ago`;

export const clock = (time) => new Date(time).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit', second: '2-digit'});

export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
