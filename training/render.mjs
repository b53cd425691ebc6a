// Renders the figures: `node render.mjs OUT COUNT SEED [decoys]` writes OUT.rgba (COUNT x 128 x 128 x 4 bytes, transparent ground)
// and OUT.jsonl (one figure's attributes and layout a line). With `decoys`, overlays that are absent lie off their place.
import fs from 'node:fs';
import { Resvg } from '@resvg/resvg-js';
import { drawFigure, figureSvg, HEAD_CENTRE, WORN } from './figure.mjs';

const SIZE = 128;
const UNIT = 52 / 704; // one unit of the style's frame in pixels of a 64x64 picture, at scale 1

/** mulberry32: a small seeded generator of uniform numbers. */
export function seededDice(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Where the head's centre lies (pixels of 64), the scale and the rotation (degrees): never captioned, alike in all media. */
function drawLayout(dice) {
  return { x: 17 + 28 * dice(), y: 21 + 24 * dice(), scale: 0.8 + 0.3 * dice(), angle: -8 + 16 * dice() };
}

/** Offsets that carry a worn object clear of its place, in the style's units. */
function drawOffset(dice) {
  const angle = 2 * Math.PI * dice();
  const reach = 190 + 260 * dice();
  return [Math.round(reach * Math.cos(angle)), Math.round(reach * Math.sin(angle))];
}

function svg(figure, layout, misplaced) {
  const k = layout.scale * UNIT;
  const [x, y] = HEAD_CENTRE;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="${SIZE}" height="${SIZE}" fill="none">` +
    `<g transform="translate(${layout.x} ${layout.y}) rotate(${layout.angle}) scale(${k}) translate(${-x} ${-y})">` +
    figureSvg(figure, misplaced) + '</g></svg>'
  );
}

const [out, count, seed, mode] = process.argv.slice(2);
const dice = seededDice(Number(seed));
const pixels = fs.openSync(`${out}.rgba`, 'w');
const lines = [];
for (let i = 0; i < Number(count); i++) {
  const figure = drawFigure(dice);
  const layout = drawLayout(dice);
  const misplaced = {};
  if (mode === 'decoys') {
    for (const name of WORN) if (!figure[name] && dice() < 0.4) misplaced[name] = drawOffset(dice);
  }
  const image = new Resvg(svg(figure, layout, misplaced), { font: { loadSystemFonts: false } }).render();
  fs.writeSync(pixels, image.pixels);
  lines.push(JSON.stringify({ ...figure, layout, misplaced: Object.keys(misplaced) }));
}
fs.closeSync(pixels);
fs.writeFileSync(`${out}.jsonl`, lines.join('\n') + '\n');
