// Returns what of this page is too faint to read or too small to press, in words.
const channel = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
const brush = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
  .getContext('2d', {willReadFrequently: true});
const colour = text => {
  brush.clearRect(0, 0, 1, 1); brush.fillStyle = text; brush.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
const ground = element => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    layers.push(colour(getComputedStyle(at).backgroundColor));
    if (layers.at(-1)[3] === 1) break;
  }
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
};
const seen = element => {
  const box = element.getBoundingClientRect();
  return element.checkVisibility({visibilityProperty: true}) && box.width > 1 && box.height > 1;
};
const wrong = new Set();
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let read = 0;
while (texts.nextNode()) {
  const words = texts.currentNode.textContent.trim(), element = texts.currentNode.parentElement;
  if (!words || !seen(element)) continue;
  const style = getComputedStyle(element), below = ground(element);
  const ink = over(colour(element instanceof SVGElement ? style.fill : style.color), below);
  const [dark, bright] = [light(ink), light(below)].sort((a, b) => a - b);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const ratio = (bright + .05) / (dark + .05);
  if (ratio < (large ? 3 : 4.5)) wrong.add(`contrast ${ratio.toFixed(2)}: ${words.slice(0, 40)}`);
  read += 1;
}
if (read < 5) wrong.add(`only ${read} texts were found`);
for (const element of document.querySelectorAll('a, button, input, select, summary')) {
  const box = element.getBoundingClientRect(), name = element.textContent.trim() || element.name;
  const style = getComputedStyle(element);
  if (!seen(element) || style.display === 'inline' || style.clipPath !== 'none') continue;
  if (Math.min(box.width, box.height) < 23.9) wrong.add(`target ${box.width} x ${box.height}: ${name}`);
}
return [...wrong];
