// What tests/project/browser has done in a page; tensors come and go as {dims, data}, data in base64.
import { Adam, Artifact, chooseDevice, fetcher, loadRuntime, resize, scaleSizes, shareSteps } from "./pixelgrad.js";

const decode = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

function encode(values) {
  let text = "";
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

let ort;
let device;

/** Once per page. file: of ONNX Runtime Web, in ort/. */
export async function begin(wanted, file) {
  device = await chooseDevice(wanted);
  ort = await import(new URL(`ort/${file}`, location.href).href);
  if (device.adapter) ort.env.webgpu.adapter = device.adapter;
  ort.env.logLevel = "verbose"; // says where nodes are
}

async function opened(folder, given) {
  const artifact = await Artifact.load(fetcher(folder), ort, device, { logSeverityLevel: 0 });
  const tensor = ({ dims, data }) => artifact.tensor(decode(data), dims);
  const feeds = Object.fromEntries(Object.entries(given.feeds).map(([name, value]) => [name, tensor(value)]));
  const targets = { ...(await artifact.targets(tensor(given.reference))), ...feeds };
  return { artifact, image: tensor(given.image), targets };
}

/** given: {image, reference, feeds}. */
export async function evaluate(folder, given) {
  const { artifact, image, targets } = await opened(folder, given);
  const where = Object.values(targets).map((tensor) => tensor.location);
  const { loss, norm, gradient } = await artifact.evaluate(image, targets);
  const location = gradient.location;
  return { loss, norm, gradient: encode(await gradient.getData()), location, targets: where };
}

export async function descend(folder, given, steps) {
  const { artifact, image, targets } = await opened(folder, given);
  const adam = new Adam(artifact, image, 0.02);
  for (let step = 0; step < steps; step++) await adam.update((await artifact.evaluate(adam.image, targets)).gradient);
  const location = adam.image.location;
  return { image: encode(await adam.image.getData()), shown: encode(await adam.shown.getData()), location };
}

export const schedule = (picture, edge, image, steps) => {
  const sizes = scaleSizes(picture, edge, image);
  return { sizes, shares: shareSteps(steps, sizes.length) };
};

export const enlarge = (data, ...sizes) => encode(resize(decode(data), ...sizes));

/** For the benchmark: a step at a time, of a picture of noise, as the page takes them. */
let adam;
let wanted;

export async function prepare(folder, width, height) {
  device = await chooseDevice("wasm");
  ort = await loadRuntime(device, new URL("ort/", location.href));
  const artifact = await Artifact.load(fetcher(folder), ort, device);
  const values = () => Float32Array.from({ length: 3 * width * height }, Math.random);
  const noise = () => artifact.tensor(values(), [1, 3, height, width]);
  wanted = await artifact.targets(noise());
  adam = new Adam(artifact, noise());
  return ort.env.wasm.numThreads;
}

export async function step() {
  const began = performance.now();
  await adam.update((await adam.artifact.evaluate(adam.image, wanted)).gradient);
  return performance.now() - began;
}
