// Drawing areas on the picture, by finger, mouse or keyboard. Points are fractions 0..1 of the picture.

import {middle} from './overlay.js';

const near = {touch: 26, mouse: 12, pen: 16}; // CSS pixels within which a point is meant
export const verbs = {include: 'watch', exclude: 'ignore', privacy: 'hide'}; // by kind
const snap = 0.015; // so close to the picture's edge, the edge is meant

export class Editor {
	// box() is where the picture is on the canvas; changed() is called for each change.
	constructor(canvas, box, changed) {
		Object.assign(this, {canvas, box, changed});
		for (const [type, f] of Object.entries({pointerdown: this.down, pointermove: this.move, pointerup: this.up, pointercancel: this.up, keydown: this.key})) {
			canvas.addEventListener(type, (e) => this.active && f.call(this, e));
		}
	}

	begin(zones) {
		this.zones = structuredClone(zones); // {kind, points}
		this.history = [];
		this.picked = undefined; // {zone, point}; point -1 is the area itself
		this.draft = undefined; // the area whose corners are being set
		this.active = true;
		this.changed();
	}

	remember() {
		this.history.push(structuredClone([this.zones, this.draft]));
	}

	undo() {
		if (!this.history.length) return;
		[this.zones, this.draft] = this.history.pop();
		this.picked = undefined;
		this.changed();
	}

	// add begins an area whose corners are then tapped, or puts a whole one in the middle.
	add(kind, whole) {
		this.remember();
		this.picked = undefined;
		this.draft = {kind, points: whole ? [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]] : []};
		this.canvas.focus();
		if (whole) this.close();
		this.changed();
	}

	close() {
		if (!(this.draft?.points.length > 2)) return;
		this.remember();
		this.picked = {zone: this.zones.push(this.draft) - 1, point: -1};
		this.draft = undefined;
		this.changed();
	}

	// remove deletes the picked corner, or the area; with its third-last corner an area goes.
	remove() {
		const {picked, draft, zones} = this;
		if (!draft && !picked) return;
		this.remember();
		if (!draft && picked.point >= 0 && zones[picked.zone].points.length > 3) {
			zones[picked.zone].points.splice(picked.point, 1);
			picked.point = -1;
		} else {
			if (!draft) zones.splice(picked.zone, 1);
			this.draft = this.picked = undefined;
		}
		this.changed();
	}

	// at is the fraction of the picture under the pointer.
	at(e) {
		const r = this.canvas.getBoundingClientRect(), b = this.box();
		return {x: (e.clientX - r.left - b.x) / b.w, y: (e.clientY - r.top - b.y) / b.h, b, reach: near[e.pointerType] || 12};
	}

	down(e) {
		if (e.button) return;
		e.preventDefault();
		this.canvas.focus();
		this.canvas.setPointerCapture(e.pointerId);
		const p = this.at(e), points = this.draft?.points;
		if (!points) {
			this.grab(p);
		} else if (points.length > 2 && distance(p, points[0]) < p.reach) {
			this.close();
		} else {
			this.remember();
			this.drag = {points, point: points.push(inside(p)) - 1, kept: true};
		}
		this.changed();
	}

	// grab takes a corner, a place for a new one, or an area.
	grab(p) {
		const found = this.picked = this.find(p);
		if (!found) return;
		this.remember();
		const {points} = this.zones[found.zone];
		if (found.fresh) points.splice(found.point, 0, inside(p));
		this.drag = {points, point: found.point, kept: found.fresh, from: p, start: structuredClone(points)};
	}

	find(p) {
		const order = [...this.zones.keys()].reverse(), chosen = this.picked?.zone;
		if (chosen !== undefined) order.unshift(chosen);
		for (const zone of order) {
			const {points} = this.zones[zone];
			const point = nearest(p, points);
			if (point >= 0) return {zone, point};
			const edge = zone === chosen ? nearest(p, points.map((_, k) => middle(points, k))) : -1;
			if (edge >= 0) return {zone, point: edge + 1, fresh: true};
		}
		const zone = order.find((i) => contains(this.zones[i].points, p));
		return zone === undefined ? undefined : {zone, point: -1};
	}

	move(e) {
		const {drag} = this;
		if (!drag) return;
		const p = this.at(e);
		if (drag.point >= 0) drag.points[drag.point] = inside(p);
		else shift(drag.points, drag.start, p.x - drag.from.x, p.y - drag.from.y);
		drag.kept ||= distance(p, [drag.from.x, drag.from.y]) > p.reach / 4;
		this.changed();
	}

	up() {
		if (this.drag && !this.drag.kept) { // a tap picks and changes nothing
			this.drag.points.splice(0, Infinity, ...this.drag.start);
			this.history.pop();
		}
		this.drag = undefined;
		this.changed();
	}

	key(e) {
		const step = e.shiftKey ? 0.05 : 0.01;
		const way = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[e.key];
		if (way && this.picked) this.nudge(...way);
		else if (e.key === 'PageDown') this.next();
		else if (e.key === 'Delete') this.remove();
		else return;
		e.preventDefault();
	}

	nudge(dx, dy) {
		const {zone, point} = this.picked;
		const {points} = this.zones[zone];
		this.remember();
		if (point >= 0) points[point] = inside({x: points[point][0] + dx, y: points[point][1] + dy}, 0);
		else shift(points, structuredClone(points), dx, dy);
		this.changed();
	}

	// next goes through all areas, and the corners of each.
	next() {
		const all = this.zones.flatMap((z, zone) => [-1, ...z.points.keys()].map((point) => ({zone, point})));
		const now = all.findIndex((p) => p.zone === this.picked?.zone && p.point === this.picked?.point);
		this.picked = all[(now + 1) % all.length];
		this.changed();
	}

	hint() {
		const {draft, picked} = this;
		if (draft?.points.length > 2) return 'Tap more corners, or the first again to finish.';
		if (draft) return `Tap the corners of the part to ${verbs[draft.kind]}: at least 3.`;
		if (picked) return 'Drag corners or the area; pull a small dot for a new corner. Delete removes what is marked.';
		return this.zones.length ? 'Tap an area to change it, or add one.' : 'Add an area to watch, to ignore or to hide.';
	}
}

const round = (v) => Math.round(v * 1e4) / 1e4;
const inside = (p, edge = snap) => [p.x, p.y].map((v) => v < edge ? 0 : v > 1 - edge ? 1 : round(v));
const distance = (p, q) => Math.hypot((p.x - q[0]) * p.b.w, (p.y - q[1]) * p.b.h);

// nearest is a point within reach, or -1.
function nearest(p, points) {
	const all = points.map((q) => distance(p, q)), least = Math.min(...all);
	return least < p.reach ? all.indexOf(least) : -1;
}

// contains decides by the even-odd rule, as the detector does.
function contains(points, p) {
	let within = false;
	points.forEach(([ax, ay], i) => {
		const [bx, by] = points[(i + 1) % points.length];
		if ((ay > p.y) !== (by > p.y) && p.x < ax + (p.y - ay) / (by - ay) * (bx - ax)) within = !within;
	});
	return within;
}

// shift moves an area as far as it stays in the picture.
function shift(points, start, ...by) {
	const [x, y] = by.map((d, k) => {
		const side = start.map((q) => q[k]);
		return Math.max(-Math.min(...side), Math.min(1 - Math.max(...side), d));
	});
	start.forEach((q, i) => { points[i] = [round(q[0] + x), round(q[1] + y)]; });
}
