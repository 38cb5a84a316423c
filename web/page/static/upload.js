// What goes to the cloud and what comes from there: account, token, queue, commands.

import {$, el, say, verdict, api, attempt, repeat, bytes, span, ago, plural} from './base.js';

let page, ask;

export function begin(shared) {
	page = shared;
	$('token-form').onsubmit = (e) => {
		e.preventDefault();
		check();
	};
	$('retry').onclick = () => act('queue-error', '/api/queue/retry');
	ask = repeat(3000, () => page.showing('upload'), () => Promise.all([
		part('claim-state', claim, '/api/claim'), part('queue-state', queue, '/api/queue'), part('poll', commands, '/api/commands'),
	]));
}

export function shown(on) {
	if (on) ask();
}

async function part(place, show, ...what) {
	try {
		show(await api(...what));
	} catch (e) {
		verdict(place, e.message, 'bad');
	}
}

async function act(place, path) {
	if (await attempt(place, () => api(path, 'POST', {}))) ask();
}

function claim(c) {
	verdict('claim-state', `This camera belongs to ${c.claimed ? 'an account of the cloud' : 'no account yet'}.`, c.claimed ? 'good' : 'warn');
	$('claim-how').hidden = c.claimed;
	$('pin-line').hidden = !c.pin;
	say('pin', c.pin);
	say('claim-url', c.url);
	if (/^https?:/.test(c.url)) $('claim-url').href = c.url;
	$('qr').src = `data:image/svg+xml,${encodeURIComponent(c.qr)}`;
}

function checked({email, problem, advice}) {
	verdict('token-result', email ? `The token is right. It belongs to ${email}` : `${problem}. ${advice}`, email ? 'good' : 'bad');
}

async function check() {
	$('check').disabled = true;
	verdict('token-result', 'Asking the cloud…');
	await part('token-result', checked, '/api/token/check', 'POST', {token: $('token').value.trim()});
	$('check').disabled = false;
}

const b = (text) => el('b', {}, text);
const soft = (text) => el('span', {className: 'soft'}, text);
const error = (text) => el('span', {className: 'error'}, text);
const pill = (state, [text, kind = ''] = [state]) => el('span', {className: `pill ${kind}`}, text);

const states = {waiting: ['waits'], sending: ['is being sent', 'good'], quarantined: ['refused for good', 'bad']};

function queue(list) {
	$('queue').replaceChildren(...list.slice(0, 50).map((it) => el('li', {},
		b(it.name || 'its time is not known yet'), soft(`${it.camera} · ${it.kind} · ${bytes(it.size)} · ${span(it.age_seconds)} old`),
		pill(it.state, states[it.state]), it.last_error ? error(`${plural(it.tries, 'failed try', 'failed tries')}: ${it.last_error}`) : '')));
	$('retry').hidden = !list.length;
	const text = list.length ? `${plural(list.length, 'recording')}, ${bytes(list.reduce((sum, it) => sum + it.size, 0))}.` : 'Nothing waits.';
	const {uploader: u = {}} = page.status || {};
	if (u.paused) verdict('queue-state', `${text} Paused: ${u.paused}.`, 'bad');
	else if (u.last_error) verdict('queue-state', `${text} The last try failed: ${u.last_error}`, 'warn');
	else verdict('queue-state', text, list.length ? '' : 'good');
	if (!u.spool_max_bytes) return;
	$('spool').value = u.spool_bytes / u.spool_max_bytes;
	say('spool-text', `${bytes(u.spool_bytes)} of ${bytes(u.spool_max_bytes)} used. Sent since the start: ${plural(u.sent, 'recording')}, ${bytes(u.sent_bytes)}.${u.last_success_at ? ` Last one ${ago(u.last_success_at)}.` : ''}`);
}

const meanings = {
	pending: ['to be applied'], waiting: ['waits for you', 'warn'], applied: ['applied', 'good'], confirming: ['applied, not confirmed yet', 'warn'],
	rolled_back: ['undone: the new server did not answer', 'bad'], refused: ['refused', 'bad'], listed: ['cannot be applied here'],
};

let listed;

function commands({poll}) {
	if (poll.error) verdict('poll', `The cloud does not answer: ${poll.error}`, 'bad');
	else if (poll.last_ok) verdict('poll', `In contact with the cloud, last ${ago(poll.last_ok)}.`, 'good');
	else verdict('poll', 'Not in contact with the cloud yet.', 'warn');
	const text = JSON.stringify(poll.commands);
	if (text === listed) return; // a button that is about to be pressed must not be replaced
	listed = text;
	$('commands').replaceChildren(...(poll.commands || []).map(command));
}

function command(c) {
	const button = (text, className) => el('button', {
		textContent: text, className, ariaLabel: `${text} ${c.id}`, onclick: () => act('commands-error', `/api/commands/${encodeURIComponent(c.id)}/${text.toLowerCase()}`),
	});
	return el('li', {}, b(c.id), pill(c.state, meanings[c.state]), el('code', {}, `${c.method} ${c.path}`),
		c.answer ? soft(`The firmware answered: ${c.answer}`) : '', c.error ? error(c.error) : '',
		c.needs_approval && !c.gone ? el('div', {className: 'row'}, button('Approve', ''), button('Refuse', 'second')) : '');
}
