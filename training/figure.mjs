// One figure: a bust from Open Peeps (Pablo Stanley, CC0 1.0) with accessories of our own, bold enough to be seen in
// 128x128 pictures. A person, a cat or a robot: all have the same geometry, and whatever one can wear all can.
// All coordinates are those of the style's own 704x704 frame.
import { createAvatar } from '@dicebear/core';
import * as openPeeps from '@dicebear/open-peeps';

export const HEAD_CENTRE = [400, 340];
export const WORN = ['glasses', 'beard', 'hat', 'earrings', 'scarf', 'blush'];
const SHARES = { glasses: 0.35, beard: 0.3, hat: 0.3, earrings: 0.3, scarf: 0.3, blush: 0.3 };
const HAIR_COLOURS = { black: '2b2326', blond: 'f2c744', red: 'd6321e', blue: '2f62d9', grey: 'b9bcc4' };
const SKINS = {
  person: ['f6cfa8', 'e0a878', 'b9794a'],
  cat: ['f0a04b', 'c9b8a6', '9aa3ad'],
  robot: ['a9bcc8', '8fc0b4', 'c9c2d6'],
};
const SHIRTS = ['8f6bb5', '4f9a86', 'c9785a'];
const BEARD_COLOURS = ['6b4528', '8f5a2e', '8b8580'];
const HEADS = {
  'short straight': ['grayShort', 'short4', 'pomp', 'flatTop'],
  'short curly': ['afro', 'dreads2', 'twists'],
  'long straight': ['bangs', 'bangs2', 'mediumStraight', 'longBangs'],
  'long curly': ['longCurly', 'mediumBangs2'],
};
const FACES = {
  smile: ['smileBig', 'smileTeethGap'],
  frown: ['solemn', 'veryAngry'],
  neutral: ['contempt', 'serious', 'tired', 'suspicious'],
};
const BEARDS = ['full', 'full2', 'full3', 'full4'];
const INK = '#101014';

// Clear lenses, so that the eyes stay to be seen; a glint; frames of two pixels.
const GLINT = '<path d="M368 356 L396 312 M514 360 L538 318" stroke="#ffffff" stroke-width="11" stroke-linecap="round"/>';
const lenses = (colour, width, shapes) =>
  `<g fill="#ffffff" fill-opacity=".42" stroke="${colour}" stroke-width="${width}" stroke-linejoin="round">${shapes}</g>${GLINT}`;
const FRAMES = {
  round: lenses(INK, 15, `<ellipse cx="397" cy="340" rx="60" ry="56"/><ellipse cx="541" cy="343" rx="53" ry="54"/>
    <path d="M457 332 Q473 318 489 333 M337 334 L236 320" fill="none"/>`),
  square: lenses(INK, 17, `<path d="M336 292 L459 296 L452 382 Q450 392 438 392 L362 388 Q348 387 346 374 Z"/>
    <path d="M490 297 L598 300 L590 384 Q588 394 578 394 L508 391 Q498 391 497 380 Z"/>
    <path d="M458 322 Q474 310 490 323 M337 318 L236 312" fill="none"/>`),
  pointed: lenses('#a3182f', 17, `<path d="M316 286 Q390 288 458 306 Q462 392 398 392 Q340 390 336 322 Z"/>
    <path d="M490 306 Q550 288 616 288 L598 324 Q592 392 542 394 Q488 392 490 306 Z"/>
    <path d="M458 328 Q474 316 490 329 M330 316 L236 312" fill="none"/>`),
};

const HAT = `<g stroke="${INK}" stroke-width="12" stroke-linejoin="round" transform="rotate(-3 400 170)">
  <path d="M262 172 C256 80 284 18 340 14 C372 12 384 34 404 34 C424 34 440 10 472 16 C528 28 548 84 542 172 Z" fill="#8a5529"/>
  <path d="M264 122 Q400 146 541 122 L542 172 L262 172 Z" fill="#2c1a0c"/>
  <path d="M404 36 Q396 70 402 98" fill="none" stroke-width="9"/>
  <path d="M166 176 Q284 146 402 150 Q520 146 638 176 Q560 214 402 214 Q244 214 166 176 Z" fill="#8a5529"/></g>`;
const SCARF = `<g stroke="${INK}" stroke-width="12" stroke-linejoin="round" fill="#d8363f">
  <path d="M268 540 Q400 640 512 560 L536 618 Q400 716 238 606 Z"/><path d="M300 600 L282 760 L376 760 L388 630 Z"/>
  <path d="M294 664 L384 672 M288 714 L380 720" stroke="#ffffff" stroke-width="16"/></g>`;
const hoop = (x, y) => `<circle cx="${x}" cy="${y}" r="34" stroke="${INK}" stroke-width="26"/><circle cx="${x}" cy="${y}" r="34" stroke="#ffc61a" stroke-width="14"/>`;
const EARRINGS = `<g fill="none">${hoop(258, 448)}</g>`;
const BLUSH = `<g fill="#ff3d63" fill-opacity=".6"><ellipse cx="360" cy="430" rx="48" ry="32"/><ellipse cx="572" cy="430" rx="34" ry="30"/></g>`;

// What makes an animal or a machine of a person: drawn over hair and skin, under all that is worn.
const CAT = (fur) => `<g stroke="${INK}" stroke-width="14" stroke-linejoin="round" fill="#${fur}">
  <path d="M236 214 L190 18 L344 128 Z"/><path d="M462 118 L602 14 L578 212 Z"/></g>
  <g fill="#f3a7b0"><path d="M244 176 L216 68 L302 130 Z"/><path d="M504 122 L580 62 L566 172 Z"/></g>`;
const WHISKERS = `<path d="M466 380 L546 380 L508 428 Z" fill="#f0788c" stroke="${INK}" stroke-width="10" stroke-linejoin="round"/>
  <path d="M400 420 L270 396 M400 446 L276 456 M590 424 L668 404 M588 448 L666 460" stroke="${INK}" stroke-width="9" stroke-linecap="round"/>`;
const ROBOT = `<g stroke="${INK}" stroke-width="14" stroke-linejoin="round"><path d="M400 150 L400 20"/><circle cx="400" cy="10" r="34" fill="#ff5a4d"/>
  <rect x="222" y="318" width="52" height="110" rx="14" fill="#6d7d89"/></g>`;
const SEAMS = `<g fill="none" stroke="${INK}" stroke-width="9"><path d="M300 432 L336 432 L352 540"/></g>
  <g fill="#6d7d89" stroke="${INK}" stroke-width="7"><circle cx="318" cy="470" r="12"/><circle cx="590" cy="452" r="11"/></g>`;

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
  const figure = {
    family: dice() < 0.6 ? 'person' : pick(['cat', 'robot']),
    mood: pick(['smile', 'frown', 'neutral']),
    hair: pick(Object.keys(HAIR_COLOURS)),
    length: pick(['short', 'long']),
    texture: pick(['straight', 'curly']),
    shirt: pick(SHIRTS),
    frames: pick(Object.keys(FRAMES)),
    beardShape: pick(BEARDS),
    beardColour: pick(BEARD_COLOURS),
  };
  for (const name of WORN) figure[name] = dice() < SHARES[name];
  figure.skin = pick(SKINS[figure.family]);
  figure.head = pick(HEADS[`${figure.length} ${figure.texture}`]);
  figure.face = pick(FACES[figure.mood]);
  return figure;
}

/**
 * The figure's SVG, without a frame. `misplaced` moves the named things off their place: such pictures teach the judge
 * that an object beside the face is not worn.
 */
export function figureSvg(figure, misplaced = {}) {
  const hair = HAIR_COLOURS[figure.hair];
  const [body, head, face, beard] = groups({
    head: [figure.head],
    face: [figure.face],
    headContrastColor: [hair],
    skinColor: [figure.skin],
    clothingColor: [figure.shirt],
    facialHair: [figure.beardShape],
    facialHairProbability: 100,
  });
  // Where the style paints hair in ink whatever its colour is, the ink is replaced.
  const coloured = head.includes(`#${hair}`) ? head : head.replaceAll('"#000"', `"#${hair}" stroke="${INK}" stroke-width="9"`);
  const bearded = beard
    .replaceAll(`fill="#${hair}"`, `fill="#${figure.beardColour}"`)
    .replaceAll('fill="#000"', `fill="#${figure.beardColour}" stroke="${INK}" stroke-width="7"`);
  const things = { beard: bearded, blush: BLUSH, glasses: FRAMES[figure.frames], earrings: EARRINGS, scarf: SCARF, hat: HAT };
  const worn = (name) => (figure[name] || misplaced[name] ? shifted(things[name], misplaced[name]) : '');
  const [over, on] = { person: ['', ''], cat: [CAT(figure.skin), WHISKERS], robot: [ROBOT, SEAMS] }[figure.family];
  return body + coloured + over + worn('beard') + worn('blush') + face + on + ['earrings', 'scarf', 'glasses', 'hat'].map(worn).join('');
}
