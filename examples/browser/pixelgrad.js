// An artifact of pixelgrad in a browser (index.html) or in Node, by ONNX Runtime Web and nothing else.
// A picture is {width, height, pixels(width, height)}: a Float32Array [3, height, width], RGB in [0, 1].

/** Where ONNX Runtime Web is fetched from; another URL has to end in a slash, too. */
export const ORT = "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/";
const FORMAT_VERSION = 1;
const COARSEST = 128;
const STATE = ["first_moment", "second_moment", "average"];

/** Something that a person can do something about, said in a sentence. */
export class PixelgradError extends Error {}

/** {name: "webgpu" | "wasm", why, adapter}. wanted: "auto", or one of the two, which then is used or is an error. */
export async function chooseDevice(wanted = "auto") {
  if (wanted === "wasm") return { name: "wasm", why: "it was asked for" };
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  const { vendor, architecture, description, isFallbackAdapter } = adapter?.info ?? {};
  const called = description || [vendor, architecture].filter(Boolean).join(" ") || "a GPU";
  if (adapter && (wanted === "webgpu" || !isFallbackAdapter)) return { name: "webgpu", why: called, adapter };
  let why = `the only GPU is software, ${called}`;
  if (!adapter) why = navigator.gpu ? "the browser found no GPU" : "this browser has no WebGPU";
  if (!isSecureContext) why = "WebGPU needs https or localhost";
  if (wanted === "webgpu") throw new PixelgradError(`WebGPU was asked for and cannot be used: ${why}.`);
  return { name: "wasm", why: `no WebGPU: ${why}` };
}

/** ONNX Runtime Web for what chooseDevice returned. */
export async function loadRuntime(device, base = ORT) {
  const file = device.name === "webgpu" ? "ort.webgpu.bundle.min.mjs" : "ort.wasm.bundle.min.mjs";
  const ort = await import(new URL(file, base).href).catch((error) => {
    throw new PixelgradError(`ONNX Runtime Web cannot be fetched: ${error.message}.`);
  });
  if (device.name === "webgpu") ort.env.webgpu.adapter = device.adapter;
  else ort.env.wasm.proxy = true; // in a worker, so that the page stays responsive
  const cores = navigator.hardwareConcurrency ?? 1; // half of them may be hyperthreads
  ort.env.wasm.numThreads = crossOriginIsolated ? Math.min(8, cores, Math.max(2, cores >> 1)) : 1;
  return ort;
}

/** Reads the files of an artifact folder from a server. */
export const fetcher = (folder) => async (name) => {
  const answer = await fetch(`${folder.replace(/\/$/, "")}/${name}`).catch(() => ({ status: "no answer" }));
  if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
  throw new PixelgradError(`There is no ${name} in ${folder} (${answer.status}): pixelgrad export style -o ${folder}`);
};

export class Artifact {
  /** read: async (file name) => Uint8Array. device: of chooseDevice; in Node, {name: "cpu"}. options: of sessions. */
  static async load(read, ort, device, options = {}) {
    const text = new TextDecoder().decode(await read("artifact.json"));
    let manifest = null;
    try {
      manifest = JSON.parse(text);
    } catch {} // said below
    const { format, format_version: version } = manifest ?? {};
    if (format !== "pixelgrad-artifact") throw new PixelgradError("artifact.json is not that of a pixelgrad artifact.");
    if (version !== FORMAT_VERSION)
      throw new PixelgradError(`The artifact has format version ${version}, not ${FORMAT_VERSION}: export it again.`);
    if (manifest.gradient !== "standard" || (manifest.profile === "fast" && device.name === "webgpu"))
      throw new PixelgradError("The artifact was written for another ONNX Runtime: export it with --profile portable.");
    if (manifest.precision === "fp16" && device.adapter && !device.adapter.features.has("shader-f16"))
      throw new PixelgradError("The artifact is in float16 and this GPU is not: export it with --precision fp32.");
    const artifact = Object.assign(new Artifact(), { manifest, ort });
    const weights = await read("weights.bin");
    const open = async (name, preferredOutputLocation) =>
      ort.InferenceSession.create(await read(`${name}_model.onnx`), {
        executionProviders: [device.name],
        logSeverityLevel: 3, // warnings are for who wrote the graphs
        externalData: [{ path: "weights.bin", data: weights }],
        ...(device.name === "webgpu" ? { preferredOutputLocation } : {}), // stays there from step to step
        ...options,
      });
    artifact.training = await open("training", { gradient: "gpu-buffer" });
    artifact.optimizer = await open("optimizer", "gpu-buffer");
    if (manifest.files["eval_model.onnx"]) artifact.evaluation = await open("eval", "gpu-buffer");
    // A step on a lost GPU would never end.
    const lost = device.name === "webgpu" ? Promise.resolve(ort.env.webgpu.device).then((gpu) => gpu.lost) : null;
    artifact.lost = lost?.then(({ message }) => {
      throw new PixelgradError(`The GPU was lost${message && ` (${message})`}: reload the page, or add ?device=wasm.`);
    });
    artifact.lost?.catch(() => {});
    return artifact;
  }

  tensor(values, dims) {
    return new this.ort.Tensor("float32", values, dims);
  }

  /** What each term would aim for, were reference, a tensor [1, 3, H, W], the picture to be like. */
  async targets(reference) {
    return this.evaluation ? this.run(this.evaluation, { image: reference }) : {};
  }

  /** {loss, norm, gradient} at a tensor [N, 3, H, W]. targets may hold mask.*, too. What has a default value in the
   *  graph (weight.*, loss_scale) is no input to ONNX Runtime Web: choose it at the export. */
  async evaluate(image, targets = {}) {
    const feeds = { image };
    for (const { mask } of this.manifest.terms) if (mask) feeds[mask] = this.tensor(Float32Array.of(1), [1, 1, 1, 1]);
    const found = await this.run(this.training, { ...feeds, ...targets }, ["loss", "gradient_norm", "gradient"]);
    return { loss: found.loss.data[0], norm: found.gradient_norm.data[0], gradient: found.gradient };
  }

  async run(session, feeds, outputs = session.outputNames) {
    if (this.ort.env.wasm.proxy) // the worker takes arrays away from who lends them
      feeds = Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, this.tensor(t.data.slice(), t.dims)]));
    if (!this.lost) return session.run(feeds, outputs);
    const failed = async (error) => {
      await Promise.race([this.lost, new Promise((done) => setTimeout(done, 500))]); // the better reason, if it is that
      throw error;
    };
    return Promise.race([session.run(feeds, outputs).catch(failed), this.lost]);
  }
}

/** Adam with averaged iterates; on a GPU all of it stays there. It takes image, a tensor [N, 3, H, W], for its own. */
export class Adam {
  constructor(artifact, image, rate = 0.02) {
    Object.assign(this, { artifact, image, shown: image, rate, step: 0, averaged: 0 });
    this.state = STATE.map(() => artifact.tensor(new Float32Array(image.size), image.dims));
  }

  async update(gradient) {
    const scalars = { step: ++this.step, average_step: ++this.averaged, learning_rate: this.rate };
    const feeds = { image: this.image, gradient };
    STATE.forEach((name, i) => (feeds[name] = this.state[i]));
    for (const name in scalars) feeds[name] = this.artifact.tensor(Float32Array.of(scalars[name]), []);
    const found = await this.artifact.run(this.artifact.optimizer, feeds);
    this.free();
    gradient.dispose();
    [this.image, this.shown] = [found.new_image, found.averaged_image];
    this.state = STATE.map((name) => found[`new_${name}`]);
  }

  /** Goes on from the average at another size: the moments carry over, averaging starts anew. */
  async resized(width, height) {
    const [batch, channels, ...from] = this.image.dims;
    const grow = async (tensor) =>
      this.artifact.tensor(resize(await tensor.getData(), ...from, height, width), [batch, channels, height, width]);
    const grown = new Adam(this.artifact, await grow(this.shown), this.rate);
    grown.step = this.step;
    for (const moment of [0, 1]) grown.state[moment] = await grow(this.state[moment]);
    this.free();
    return grown;
  }

  free() {
    for (const tensor of new Set([this.image, this.shown, ...this.state])) tensor.dispose();
  }
}

/** Planes at another size, bilinear; it only enlarges well. */
export function resize(planes, height, width, toHeight, toWidth) {
  const count = planes.length / (width * height);
  const result = new Float32Array(count * toWidth * toHeight);
  const places = (from, to) =>
    Array.from({ length: to }, (_, i) => {
      const at = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
      return [Math.floor(at), Math.ceil(at), at % 1];
    });
  const [rows, columns] = [places(height, toHeight), places(width, toWidth)];
  let out = 0;
  for (let plane = 0; plane < planes.length; plane += width * height)
    for (const [above, below, down] of rows)
      for (const [left, right, across] of columns) {
        const at = (y) => planes[plane + y * width + left] * (1 - across) + planes[plane + y * width + right] * across;
        result[out++] = at(above) * (1 - down) + at(below) * down;
      }
  return result;
}

const fit = ({ width, height }, edge) =>
  [width, height].map((side) => Math.max(1, Math.round((side * Math.round(edge)) / Math.max(width, height))));

/** [width, height] of each scale, growing by sqrt(2) up to a long edge. image: of the manifest. */
export function scaleSizes(picture, edge, image) {
  if (image.fixed_size) return [image.fixed_size.toReversed()];
  const sizes = [fit(picture, edge)];
  while (Math.round((edge /= Math.SQRT2)) >= COARSEST && Math.min(...fit(picture, edge)) >= image.minimum_size)
    sizes.unshift(fit(picture, edge));
  return sizes;
}

/** How many of the steps each scale gets: the first twice as many as the others. */
export function shareSteps(steps, scales) {
  const ends = Array.from({ length: scales }, (_, i) => Math.round((steps * (i + 2)) / (scales + 1)));
  return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

/** Gives content the style of another picture, from coarse to fine. Yields {step, steps, scale, scales, width, height,
 *  loss, ms, image} after every step; image is a tensor [1, 3, H, W] that lives until the next one. */
export async function* stylise(artifact, content, style, { size = 384, steps = 200, rate = 0.02 } = {}) {
  const { image } = artifact.manifest;
  const sizes = scaleSizes(content, size, image);
  const shares = shareSteps(steps, sizes.length);
  const at = (picture, width, height) => {
    if (Math.min(width, height) >= image.minimum_size)
      return artifact.tensor(picture.pixels(width, height), [1, 3, height, width]);
    const needed = `the network needs ${image.minimum_size} along each edge`;
    throw new PixelgradError(`${width} × ${height} is too small: ${needed}.`);
  };
  let [adam, step, made] = [null, 0, []];
  const free = () => made.splice(0).forEach((tensor) => tensor.dispose());
  try {
    for (const [index, [width, height]] of sizes.entries()) {
      // The style is not enlarged: that would teach a blurred texture.
      const edge = Math.min(Math.max(width, height), Math.max(style.width, style.height));
      const reference = at(content, width, height);
      const targets = await artifact.targets(reference);
      const wanted = await artifact.targets(at(style, ...(image.fixed_size ? [width, height] : fit(style, edge))));
      made.push(...Object.values(targets), ...Object.values(wanted));
      for (const name in wanted) if (name.startsWith("target.style.")) targets[name] = wanted[name];
      adam = adam ? await adam.resized(width, height) : new Adam(artifact, reference, rate);
      for (let left = shares[index]; left > 0; left--) {
        const began = performance.now();
        const { loss, norm, gradient } = await artifact.evaluate(adam.image, targets);
        if (!Number.isFinite(loss + norm)) throw new PixelgradError(`At step ${step + 1} the loss is not a number.`);
        await adam.update(gradient);
        const [ms, scale, scales] = [performance.now() - began, index + 1, sizes.length];
        yield { step: ++step, steps, scale, scales, width, height, loss, ms, image: adam.shown };
      }
      free();
    }
  } finally {
    free();
    adam?.free();
  }
}
