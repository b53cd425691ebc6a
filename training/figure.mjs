// One figure: a bust from Open Peeps (Pablo Stanley, CC0 1.0) with a bold pair of glasses and a hat of our own, so that
// every attribute covers enough of a 64x64 picture to be seen. All coordinates are those of the style's own 704x704 frame.
import { createAvatar } from '@dicebear/core';
import * as openPeeps from '@dicebear/open-peeps';

export const HAIR_COLOURS = { black: '2b2326', blond: 'f2c744', red: 'd6321e', blue: '2f62d9', grey: 'b9bcc4' };
export const SKINS = ['f6cfa8', 'e0a878', 'b9794a'];
export const SHIRTS = ['8f6bb5', '4f9a86', 'c9785a'];
export const HEADS = {
  short: ['grayShort', 'short4', 'pomp', 'flatTop'],
  long: ['bangs', 'grayMedium', 'bangs2', 'mediumStraight'],
};
// Heads that the style paints in ink whatever the hair colour is: their ink is replaced.
const INK_HEADS = new Set(['pomp', 'flatTop', 'bangs2', 'mediumStraight']);
const SMILES = ['smileBig', 'smileTeethGap'];
const PLAIN_FACES = ['contempt', 'serious', 'tired', 'blank'];
const BEARDS = ['full2', 'full3'];
export const HEAD_CENTRE = [400, 340];

const GLASSES = `<g fill="#ffffff" fill-opacity=".85" stroke="#101014" stroke-width="25">
  <rect x="333" y="287" width="128" height="112" rx="44"/><rect x="489" y="293" width="112" height="108" rx="42"/>
  <path d="M461 335 Q475 322 489 335 M333 330 L232 318" fill="none"/></g>`;

const HAT = `<g stroke="#101014" stroke-width="12" transform="rotate(-3 400 170)">
  <path d="M262 172 C258 70 280 6 400 6 C520 6 548 70 542 172 Z" fill="#7a4a21"/>
  <path d="M264 126 L540 126 L542 172 L262 172 Z" fill="#2c1a0c"/>
  <ellipse cx="402" cy="178" rx="232" ry="32" fill="#7a4a21"/></g>`;

const shifted = (svg, offset) => (offset ? `<g transform="translate(${offset[0]} ${offset[1]})">${svg}</g>` : svg);

/** The style's groups of one avatar: body, head, face and, where asked for, facial hair. */
function groups(options) {
  const svg = createAvatar(openPeeps, { seed: 'figure', accessoriesProbability: 0, maskProbability: 0, facialHairProbability: 0, ...options })
    .toString();
  const inner = svg.match(/<g mask="url\(#viewboxMask\)">([\s\S]*)<\/g><\/svg>/)[1];
  const [body, ...rest] = inner.split(/(?=<g transform=")/);
  return [body, ...rest];
}

/** Draws all the choices that make a figure; `dice` is a function giving uniform numbers of [0, 1). */
export function drawFigure(dice) {
  const pick = (list) => list[Math.floor(dice() * list.length)];
  const length = dice() < 0.5 ? 'short' : 'long';
  const figure = {
    glasses: dice() < 0.35,
    beard: dice() < 0.3,
    hat: dice() < 0.3,
    smile: dice() < 0.4,
    hair: pick(Object.keys(HAIR_COLOURS)),
    length,
    head: pick(HEADS[length]),
    skin: pick(SKINS),
    shirt: pick(SHIRTS),
  };
  figure.face = pick(figure.smile ? SMILES : PLAIN_FACES);
  figure.beardShape = pick(BEARDS);
  return figure;
}

/**
 * The figure's SVG, without a frame. `misplaced` moves the named overlays (glasses, hat, beard) off their place: such pictures
 * teach the judge that an object beside the face is not worn.
 */
export function figureSvg(figure, misplaced = {}) {
  const hair = HAIR_COLOURS[figure.hair];
  const parts = groups({
    head: [figure.head],
    face: [figure.face],
    headContrastColor: [hair],
    skinColor: [figure.skin],
    clothingColor: [figure.shirt],
    facialHair: [figure.beardShape],
    facialHairProbability: figure.beard || misplaced.beard ? 100 : 0,
  });
  const [body, head, face, beard] = parts;
  const inkedHead = INK_HEADS.has(figure.head) ? head.replaceAll('"#000"', `"#${hair}"`) : head;
  return (
    body + inkedHead + face +
    (beard ? shifted(beard, misplaced.beard) : '') +
    (figure.glasses || misplaced.glasses ? shifted(GLASSES, misplaced.glasses) : '') +
    (figure.hat || misplaced.hat ? shifted(HAT, misplaced.hat) : '')
  );
}
