// What is drawn over the picture: cells and boxes of the detector, and areas.

const colour = {include: '#2dd4bf', exclude: '#fb923c', privacy: '#e2e8f0', still: '#fde047', moving: '#f43f5e'};
const shade = 'rgb(0 0 0 / 50%)';

export class Overlay {
	constructor(canvas) {
		this.canvas = canvas;
		this.context = canvas.getContext('2d');
		this.size = {w: 4, h: 3}; // of the picture; only the ratio counts
		this.zones = []; // {kind, points: [[x, y]]}
		this.cells = true; // show what the detector sees
		// And areas, focus: show these; editor: what draws areas, while it does.
		this.hatch = hatching(colour.exclude);
		new ResizeObserver(() => this.draw()).observe(canvas);
	}

	// see takes the detector's message.
	see(message) {
		this.seen = message;
		this.draw();
	}

	// box is where the picture is, in CSS pixels; there may be bars beside it.
	box() {
		const {canvas: {clientWidth: width, clientHeight: height}, size} = this;
		const scale = Math.min(width / size.w, height / size.h);
		const w = size.w * scale, h = size.h * scale;
		return {x: (width - w) / 2, y: (height - h) / 2, w, h};
	}

	draw() {
		if (this.due) return;
		this.due = true;
		requestAnimationFrame(() => {
			this.due = false;
			this.paint();
		});
	}

	paint() {
		const {canvas, context: c} = this;
		const density = devicePixelRatio;
		canvas.width = canvas.clientWidth * density; // clears it, too
		canvas.height = canvas.clientHeight * density;
		const b = this.box();
		c.setTransform(density, 0, 0, density, 0, 0);
		c.translate(b.x, b.y);
		if (this.areas) this.paintAreas(c, b);
		if (this.seen && this.cells) this.paintSeen(c, b);
		if (this.focus) this.paintFocus(c, b);
		if (this.editor) this.paintEditor(c, b);
	}

	// paintAreas darkens what is not watched, hatches what is ignored and blackens what is hidden.
	paintAreas(c, b) {
		const zones = this.editor ? this.editor.zones : this.zones;
		const include = zones.filter((z) => z.kind === 'include');
		if (include.length) {
			c.fillStyle = shade;
			c.fillRect(0, 0, b.w, b.h);
			c.globalCompositeOperation = 'destination-out';
			c.fillStyle = '#000';
			for (const z of include) c.fill(outline(z.points, b), 'evenodd');
			c.globalCompositeOperation = 'source-over';
		}
		for (const z of zones) {
			const path = outline(z.points, b);
			if (z.kind === 'exclude') {
				for (c.fillStyle of [shade, this.hatch]) c.fill(path, 'evenodd');
			} else if (z.kind === 'privacy') {
				c.fillStyle = '#000';
				c.fill(path);
			}
			c.strokeStyle = colour[z.kind];
			c.lineWidth = 2;
			c.setLineDash(z.kind === 'exclude' ? [8, 5] : []);
			c.stroke(path);
			c.setLineDash([]);
		}
	}

	paintSeen(c, b) {
		const {grid: [cols, rows] = [0, 0], boxes = [], moving, cells = ''} = this.seen;
		const bits = atob(cells);
		const w = b.w / cols, h = b.h / rows;
		c.fillStyle = moving ? colour.moving : colour.still;
		c.globalAlpha = 0.45;
		for (let i = 0; this.areas && i < cols * rows; i++) {
			if (bits.charCodeAt(i >> 3) & (0x80 >> (i & 7))) c.fillRect((i % cols) * w + 0.5, Math.floor(i / cols) * h + 0.5, w - 1, h - 1);
		}
		c.globalAlpha = 1;
		for (const [x0, y0, x1, y1] of boxes) {
			for (const [width, style] of [[5, shade], [2.5, colour.moving]]) {
				c.lineWidth = width;
				c.strokeStyle = style;
				c.strokeRect(x0 * b.w, y0 * b.h, (x1 - x0) * b.w, (y1 - y0) * b.h);
			}
		}
	}

	// paintFocus marks the corners of the middle half.
	paintFocus(c, b) {
		const w = b.w / 2, h = b.h / 2, l = h / 8;
		c.lineWidth = 2;
		c.strokeStyle = '#fff';
		c.setLineDash([l, w - 2 * l, 2 * l, h - 2 * l, 2 * l, w - 2 * l, 2 * l, h - 2 * l, l]);
		c.strokeRect(w / 2, h / 2, w, h);
		c.setLineDash([]);
	}

	// paintEditor shows corners, and between them where new ones can be pulled out.
	paintEditor(c, b) {
		const {draft, zones, picked} = this.editor;
		if (draft) {
			const style = c.strokeStyle = colour[draft.kind];
			c.lineWidth = 2.5;
			c.stroke(outline(draft.points, b, true));
			draft.points.forEach((p, i) => knob(c, b, p, i ? 6 : 9, style, !i));
		}
		zones.forEach((z, i) => {
			const chosen = !draft && i === picked?.zone;
			if (chosen) z.points.forEach((_, k) => knob(c, b, middle(z.points, k), 5, 'rgb(255 255 255 / 70%)'));
			z.points.forEach((p, k) => knob(c, b, p, chosen ? 9 : 5, colour[z.kind], chosen && k === picked.point));
		});
	}
}

// middle is the point halfway from corner k to the next.
export function middle(points, k) {
	const a = points[k], b = points[(k + 1) % points.length];
	return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

function outline(points, b, open = false) {
	const path = new Path2D();
	points.forEach(([x, y]) => path.lineTo(x * b.w, y * b.h));
	if (!open) path.closePath();
	return path;
}

function knob(c, b, [x, y], radius, fill, ring) {
	c.beginPath();
	c.arc(x * b.w, y * b.h, radius, 0, 7);
	c.fillStyle = fill;
	c.fill();
	c.lineWidth = ring ? 4 : 1.5;
	c.strokeStyle = ring ? '#fff' : 'rgb(0 0 0 / 70%)';
	c.stroke();
}

function hatching(stroke) {
	const tile = new OffscreenCanvas(12, 12), c = tile.getContext('2d');
	c.strokeStyle = stroke;
	c.globalAlpha = 0.55;
	c.lineWidth = 1.5;
	for (const d of [-12, 0, 12]) {
		c.moveTo(d, 12);
		c.lineTo(d + 12, 0);
	}
	c.stroke();
	return c.createPattern(tile, 'repeat');
}
