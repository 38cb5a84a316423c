// What goes to the cloud and what comes from there: account, token, queue, commands.

import {$, el, say, verdict, api, repeat, bytes, span, ago, plural} from './base.js';

let page, ask;

export function begin(shared) {
	page = shared;
	$('token-form').onsubmit = (e) => {
		e.preventDefault();
		check();
	};
	$('retry').onclick = retry;
	ask = repeat(3000, () => page.showing('upload'), load);
}

export function shown(on) {
	if (on) ask();
}

async function load() {
	await Promise.all([part('/api/claim', claim, 'claim-state'), part('/api/queue', queue, 'queue-state'), part('/api/commands', commands, 'poll')]);
}

async function part(path, show, place) {
	try {
		show(await api(path));
	} catch (e) {
		verdict(place, e.message, 'bad');
	}
}

let address = '';

function claim(c) {
	verdict('claim-state', c.claimed ? 'This camera belongs to an account of the cloud.' : 'This camera belongs to no account yet.', c.claimed ? 'good' : 'warn');
	$('claim-how').hidden = c.claimed;
	$('pin-line').hidden = !c.pin;
	say('pin', c.pin || '');
	say('claim-url', c.url || '');
	if (/^https?:/.test(c.url)) $('claim-url').href = c.url;
	if (c.qr && c.qr !== address) $('qr').src = `data:image/svg+xml,${encodeURIComponent(address = c.qr)}`;
	$('qr').hidden = !c.qr;
}

async function check() {
	const button = $('token-form').querySelector('button');
	button.disabled = true;
	verdict('token-result', 'Asking the cloud…');
	try {
		const r = await api('/api/token/check', 'POST', {token: $('token').value.trim()});
		if (r.email) verdict('token-result', `The token is right. It belongs to ${r.email}`, 'good');
		else verdict('token-result', `${r.problem}. ${r.advice}`, 'bad');
	} catch (e) {
		verdict('token-result', e.message, 'bad');
	}
	button.disabled = false;
}

async function retry() {
	$('retry').disabled = true;
	say('queue-error', '');
	try {
		await api('/api/queue/retry', 'POST', {});
		ask();
	} catch (e) {
		say('queue-error', e.message);
	}
	$('retry').disabled = false;
}

const states = {waiting: 'waits', sending: 'is being sent', quarantined: 'refused for good'};

function queue(list) {
	const old = page.old;
	$('queue').replaceChildren(...list.slice(0, 50).map((it) => el('li', {className: it.state},
		el('b', {textContent: it.name || `${it.kind}, time not known yet`}),
		el('span', {className: 'soft', textContent: `${it.camera} · ${it.kind} · ${bytes(it.size)} · ${span(it.age_seconds)} old`}),
		el('span', {className: `pill ${it.state}`, textContent: states[it.state] || it.state}),
		...it.last_error ? [el('span', {className: 'error', textContent: `${plural(it.tries, 'failed try', 'failed tries')}: ${it.last_error}`})] : [])));
	if (list.length > 50) $('queue').append(el('li', {textContent: `and ${list.length - 50} more`}));
	$('retry').hidden = !list.length;
	summary(list, page.status?.uploader, page.status?.spool_error);
}

function summary(list, u, fault) {
	const size = list.reduce((sum, it) => sum + it.size, 0);
	const text = list.length ? `${plural(list.length, 'recording')}, ${bytes(size)}.` : 'Nothing waits.';
	if (fault) verdict('queue-state', `Recordings cannot be kept: ${fault}`, 'bad');
	else if (u?.paused) verdict('queue-state', `${text} Paused: ${u.paused}.`, 'bad');
	else if (u?.last_error) verdict('queue-state', `${text} The last try failed: ${u.last_error}`, 'warn');
	else verdict('queue-state', text, list.length ? '' : 'good');
	if (!u) return;
	$('spool').value = u.spool_max_bytes ? u.spool_bytes / u.spool_max_bytes : 0;
	say('spool-text', `${bytes(u.spool_bytes)} of ${bytes(u.spool_max_bytes)} used. Sent since the start: ${plural(u.sent, 'recording')}, ${bytes(u.sent_bytes)}.${u.last_success_at ? ` Last one ${ago(u.last_success_at)}.` : ''}`);
}

const meanings = {
	pending: 'to be applied', waiting: 'waits for you', applied: 'applied', confirming: 'applied, not confirmed yet', rolled_back: 'undone: the new server did not answer', refused: 'refused', listed: 'cannot be applied here',
};

function commands({poll, journal}) {
	if (poll.error) verdict('poll', `The cloud does not answer: ${poll.error}`, 'bad');
	else verdict('poll', poll.last_ok ? `In contact with the cloud, last ${ago(poll.last_ok)}.` : 'Not in contact with the cloud yet.', poll.last_ok ? 'good' : 'warn');
	const list = poll.commands || [];
	// A button that is about to be pressed must not be replaced.
	const text = JSON.stringify(list);
	if ($('commands').dataset.shown !== text) {
		$('commands').dataset.shown = text;
		$('commands').replaceChildren(...list.length ? list.map(command) : [el('li', {className: 'soft', textContent: 'No commands.'})]);
	}
	$('journal-box').hidden = !journal?.length;
	$('journal').replaceChildren(...(journal || []).slice(-50).reverse().map((e) => el('li', {},
		el('b', {textContent: `${e.what} · ${e.id}`}), el('code', {textContent: `${e.method} ${e.path}`}),
		el('span', {className: 'soft', textContent: `${new Date(e.at).toLocaleString()}${e.answer ? ` · ${e.answer}` : ''}`}))));
}

function command(c) {
	const parts = [el('b', {textContent: c.id}), el('span', {className: `pill ${c.state}`, textContent: meanings[c.state] || c.state}), el('code', {textContent: `${c.method} ${c.path}`})];
	if (c.answer) parts.push(el('span', {className: 'soft', textContent: `The firmware answered: ${c.answer}`}));
	if (c.error) parts.push(el('span', {className: 'error', textContent: c.error}));
	if (c.needs_approval && !c.gone) {
		const button = (text, className, verb) => el('button', {textContent: text, className, ariaLabel: `${text} ${c.id}`, onclick: () => decide(c.id, verb)});
		parts.push(el('div', {className: 'row'}, button('Approve', '', 'approve'), button('Refuse', 'second', 'refuse')));
	}
	return el('li', {}, ...parts);
}

async function decide(id, verb) {
	say('commands-error', '');
	try {
		await api(`/api/commands/${encodeURIComponent(id)}/${verb}`, 'POST', {});
		ask();
	} catch (e) {
		say('commands-error', e.message);
	}
}
