// One model in one canvas: loaded with progress, lit, rotated, drawn only when something has changed.
import {
  Box3, CanvasTexture, Color, DRACOLoader, DirectionalLight, EquirectangularReflectionMapping, GLTFLoader, Group,
  HemisphereLight, Mesh, MeshBasicMaterial, MeshLambertMaterial, MeshoptDecoder, MeshStandardMaterial,
  NeutralToneMapping, OrbitControls, PerspectiveCamera, PlaneGeometry, PMREMGenerator, Scene, Sphere, SRGBColorSpace,
  Vector3, WebGLRenderer,
} from "../vendor/three.min.js";
import { drawsInSoftware } from "./page.js";

const TURN_SECONDS = 12;
const CLAY = new Color("#c8c3bc");
const VIEW = new Vector3(0.3, 0.16, 1).normalize(); // from a little to the side and above
const FIELD_OF_VIEW = 30; // degrees
// Drawn pixels per CSS pixel: with a graphics card; without, while the model moves; without, while it stands still.
const FULL_RATIO = Math.min(devicePixelRatio, 2);
const COARSE_RATIO = 0.6;
const SUPERSAMPLED_RATIO = 2;

// Environment map that the model reflects: a light ceiling, a darker floor, two windows.
const environmentMap = (renderer) => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 32 });
  const paint = canvas.getContext("2d");
  const walls = paint.createLinearGradient(0, 0, 0, 32);
  walls.addColorStop(0, "#ffffff");
  walls.addColorStop(0.5, "#c9cdd2");
  walls.addColorStop(1, "#7d8187");
  paint.fillStyle = walls;
  paint.fillRect(0, 0, 64, 32);
  paint.fillStyle = "#fff";
  paint.fillRect(6, 6, 12, 9);
  paint.fillRect(40, 5, 9, 8);
  const texture = new CanvasTexture(canvas);
  texture.mapping = EquirectangularReflectionMapping;
  texture.colorSpace = SRGBColorSpace;
  const generator = new PMREMGenerator(renderer);
  const map = generator.fromEquirectangular(texture).texture;
  texture.dispose();
  generator.dispose();
  return map;
};

// The same surface without reflections: machines without a graphics card draw it in a tenth of the time.
const lambertOf = ({ map, color, vertexColors, side, transparent, opacity, alphaTest }) =>
  new MeshLambertMaterial({ map, color, vertexColors, side, transparent, opacity, alphaTest });

const mapMaterials = (material, convert) => (Array.isArray(material) ? material.map(convert) : convert(material));

// A soft shadow below the model.
const shadowTexture = () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 128, height: 128 });
  const paint = canvas.getContext("2d");
  const gradient = paint.createRadialGradient(64, 64, 0, 64, 64, 64);
  gradient.addColorStop(0, "rgba(20, 24, 30, .36)");
  gradient.addColorStop(0.55, "rgba(20, 24, 30, .12)");
  gradient.addColorStop(1, "rgba(20, 24, 30, 0)");
  paint.fillStyle = gradient;
  paint.fillRect(0, 0, 128, 128);
  return new CanvasTexture(canvas);
};

const download = async (url, size, onProgress, signal) => {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
  const total = Number(answer.headers.get("content-length")) || size;
  const chunks = [];
  let loaded = 0;
  const reader = answer.body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    chunks.push(read.value);
    loaded += read.value.length;
    onProgress(loaded, Math.max(total, loaded));
  }
  return new Blob(chunks).arrayBuffer();
};

const dispose = (root) => {
  root.traverse((part) => {
    part.geometry?.dispose();
    for (const material of [part.userData.textured ?? part.material].flat().filter(Boolean)) {
      for (const value of Object.values(material)) if (value?.isTexture) value.dispose();
      material.dispose();
    }
  });
};

export class View {
  // `onTouch` is called when the visitor starts to move the model.
  constructor(place, onTouch) {
    this.place = place;
    this.slow = drawsInSoftware(); // then a coarser picture while it moves, so that the page stays responsive
    this.renderer = new WebGLRenderer({ antialias: !this.slow, alpha: true, powerPreference: "high-performance" });
    this.renderer.setPixelRatio(this.slow ? COARSE_RATIO : FULL_RATIO);
    this.renderer.debug.checkShaderErrors = false; // the check blocks the page until the shaders are compiled
    this.renderer.toneMapping = NeutralToneMapping;
    place.append(this.renderer.domElement);
    this.scene = new Scene();
    if (this.slow) this.scene.add(new HemisphereLight("#fff", "#9a9da3", 2.5));
    else {
      this.scene.environment = environmentMap(this.renderer);
      this.scene.environmentIntensity = 1.15;
    }
    const key = new DirectionalLight("#fff", this.slow ? 1.8 : 0.9);
    key.position.set(2, 3, 4);
    this.scene.add(key);
    this.camera = new PerspectiveCamera(FIELD_OF_VIEW, 1, 0.01, 100);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.enablePan = false;
    this.controls.enableDamping = true;
    this.controls.autoRotateSpeed = 60 / TURN_SECONDS;
    this.controls.addEventListener("change", () => this.draw());
    this.controls.addEventListener("start", () => {
      this.dragging = true;
      this.setRotating(false);
      onTouch();
      this.run();
    });
    this.controls.addEventListener("end", () => { this.dragging = false; this.dampingUntil = performance.now() + 700; });
    this.shadow = new Mesh(new PlaneGeometry(1, 1), new MeshBasicMaterial({ map: shadowTexture(), transparent: true, depthWrite: false }));
    this.shadow.rotation.x = -Math.PI / 2;
    this.loader = new GLTFLoader();
    this.loader.setMeshoptDecoder(MeshoptDecoder);
    this.loader.setDRACOLoader(new DRACOLoader().setDecoderPath(new URL("../vendor/draco/", import.meta.url).href));
    this.mode = "textured";
    this.rotating = false;
    new ResizeObserver(() => this.resize()).observe(place);
    new IntersectionObserver(() => this.run()).observe(place);
    document.addEventListener("visibilitychange", () => this.run());
    this.resize();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.place;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    if (this.model && !this.touched) this.fit();
    this.draw();
  }

  // Replaces the model that is shown; resolves to false where another load has begun meanwhile.
  async load(url, size, onProgress) {
    this.loading?.abort();
    const request = (this.loading = new AbortController());
    const data = await download(url, size, onProgress, request.signal);
    const gltf = await this.loader.parseAsync(data, "");
    if (request !== this.loading) {
      dispose(gltf.scene);
      return false;
    }
    this.clear();
    this.model = new Group().add(gltf.scene);
    this.scene.add(this.model, this.shadow);
    this.touched = false;
    this.setMode(this.mode);
    this.fit();
    await this.renderer.compileAsync(this.scene, this.camera); // else the first drawing blocks the page
    return request === this.loading;
  }

  clear() {
    if (!this.model) return;
    this.scene.remove(this.model, this.shadow);
    dispose(this.model);
    this.model = null;
    this.draw();
  }

  fit() {
    const box = new Box3().setFromObject(this.model);
    const sphere = box.getBoundingSphere(new Sphere());
    const radius = sphere.radius || 1;
    const narrow = Math.min(1, this.camera.aspect);
    const distance = radius / Math.sin((FIELD_OF_VIEW / 2) * (Math.PI / 180)) / narrow;
    this.camera.near = distance / 100;
    this.camera.far = distance * 10;
    this.controls.minDistance = radius * 0.4;
    this.controls.maxDistance = distance * 4;
    this.controls.target.copy(sphere.center);
    this.camera.position.copy(sphere.center).addScaledVector(VIEW, distance * 0.88);
    this.camera.updateProjectionMatrix();
    const size = box.getSize(new Vector3());
    const width = Math.max(size.x, size.y * 0.3) * 1.3; // visible beside the model
    this.shadow.position.set(sphere.center.x, box.min.y - size.y * 0.015, sphere.center.z);
    this.shadow.scale.set(width, Math.max(width * 0.6, size.z * 1.3), 1);
    this.controls.update();
    this.draw();
  }

  setMode(mode) {
    this.mode = mode;
    this.model?.traverse((part) => {
      if (!part.isMesh) return;
      part.userData.textured ??= this.slow ? mapMaterials(part.material, lambertOf) : part.material;
      part.userData.clay ??= this.clay(part);
      if (mode !== "wireframe") part.userData.lines?.removeFromParent();
      else {
        part.userData.lines ??= new Mesh(part.geometry, new MeshBasicMaterial({ color: "#2a2f36", wireframe: true, transparent: true, opacity: 0.55 }));
        part.add(part.userData.lines);
        part.userData.lines.userData.textured = part.userData.lines.userData.clay = part.userData.lines.material;
      }
      part.material = mode === "textured" ? part.userData.textured : part.userData.clay;
      part.userData.clay.polygonOffset = mode === "wireframe"; // so that the lines are drawn over it
      part.userData.clay.polygonOffsetFactor = part.userData.clay.polygonOffsetUnits = 1;
    });
    this.draw();
  }

  clay({ material, geometry }) {
    const common = { color: CLAY, side: [material].flat()[0].side, flatShading: !geometry.attributes.normal };
    return this.slow ? new MeshLambertMaterial(common) : new MeshStandardMaterial({ ...common, roughness: 0.85, metalness: 0 });
  }

  setRotating(on) {
    this.rotating = on;
    this.controls.autoRotate = on;
    if (on) this.run();
  }

  setFullscreen(on) {
    this.renderer.domElement.style.touchAction = on ? "none" : "pan-y pinch-zoom";
  }

  draw() {
    this.touched ||= this.dragging;
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.render(this.slow ? COARSE_RATIO : FULL_RATIO);
      if (!this.slow) return;
      clearTimeout(this.restTimer);
      this.restTimer = setTimeout(() => this.render(SUPERSAMPLED_RATIO), 300);
    });
  }

  render(ratio) {
    if (this.renderer.getPixelRatio() !== ratio) this.renderer.setPixelRatio(ratio);
    this.renderer.render(this.scene, this.camera);
  }

  // Animates while something moves and the canvas is visible.
  run() {
    if (this.running) return;
    let last = performance.now();
    const step = (now) => {
      const moves = this.rotating || this.dragging || now < (this.dampingUntil ?? 0);
      this.running = moves && !document.hidden && this.place.checkVisibility();
      if (!this.running) return;
      this.controls.update(Math.min(0.1, (now - last) / 1000));
      last = now;
      requestAnimationFrame(step);
    };
    this.running = true;
    requestAnimationFrame(step);
  }
}
