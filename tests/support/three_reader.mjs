// Opens a mesh file with three.js and gives back the corners of its triangles: x, y, z, red, green, blue (sRGB, 0 to 1).
import { Color, Mesh, MeshBasicMaterial, Vector3 } from "three";
import { ThreeMFLoader } from "three/addons/loaders/3MFLoader.js";
import { DRACOLoader } from "three/addons/loaders/DRACOLoader.js";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
import { MTLLoader } from "three/addons/loaders/MTLLoader.js";
import { OBJLoader } from "three/addons/loaders/OBJLoader.js";
import { PLYLoader } from "three/addons/loaders/PLYLoader.js";
import { STLLoader } from "three/addons/loaders/STLLoader.js";
import { USDLoader } from "three/addons/loaders/USDLoader.js";
import { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";

const draco = new DRACOLoader().setDecoderPath("/three/examples/jsm/libs/draco/gltf/");
const gltf = new GLTFLoader().setDRACOLoader(draco).setMeshoptDecoder(MeshoptDecoder);
const bare = (geometry) => new Mesh(geometry, new MeshBasicMaterial({ vertexColors: "color" in geometry.attributes }));

const OPEN = {
  glb: async (url) => (await gltf.loadAsync(url)).scene,
  obj: async (url) => {
    const materials = await new MTLLoader().loadAsync(url.replace(/obj$/, "mtl"));
    return new OBJLoader().setMaterials(materials).loadAsync(url);
  },
  stl: async (url) => bare(await new STLLoader().loadAsync(url)),
  ply: async (url) => bare(await new PLYLoader().loadAsync(url)),
  "3mf": (url) => new ThreeMFLoader().loadAsync(url),
  usdz: (url) => new USDLoader().loadAsync(url),
};

/** The colours of a texture by u and v; some loaders are done before their pictures are there. */
async function pixels(map) {
  for (let tries = 0; !map.image?.width && tries < 500; tries++) await new Promise((done) => setTimeout(done, 20));
  const { width, height } = map.image;
  const paint = new OffscreenCanvas(width, height).getContext("2d");
  paint.drawImage(map.image, 0, 0);
  const { data } = paint.getImageData(0, 0, width, height);
  return (u, v) => {
    const column = Math.floor((u - Math.floor(u)) * width);
    const row = Math.floor((v - Math.floor(v)) * height);
    const start = ((map.flipY ? height - 1 - row : row) * width + column) * 4;
    return [data[start] / 255, data[start + 1] / 255, data[start + 2] / 255];
  };
}

/** A texture coordinate a little inside the triangle, away from the first of its corners and the edge of its pixel. */
const inside = (uv, [a, b, c], axis) =>
  0.8 * uv.getComponent(a, axis) + 0.1 * uv.getComponent(b, axis) + 0.1 * uv.getComponent(c, axis);

/** What colour a corner has: the texture's, the vertex's or the material's. */
async function painter(geometry, material) {
  const { uv, color } = geometry.attributes;
  if (material.map) {
    const pixel = await pixels(material.map);
    return (corners) => pixel(inside(uv, corners, 0), inside(uv, corners, 1));
  }
  const paint = new Color();
  if (material.vertexColors && color)
    return ([vertex]) => paint.fromBufferAttribute(color, vertex).convertLinearToSRGB().toArray();
  return () => paint.copy(material.color).convertLinearToSRGB().toArray();
}

window.read = async (kind, url) => {
  const object = await OPEN[kind](url);
  object.updateMatrixWorld(true);
  const meshes = [];
  object.traverse((one) => one.isMesh && meshes.push(one));
  const numbers = [];
  const place = new Vector3();
  let textured = false;
  for (const { geometry, material, matrixWorld } of meshes) {
    const { position } = geometry.attributes;
    const count = geometry.index ? geometry.index.count : position.count;
    const materials = [material].flat();
    const groups = Array.isArray(material) ? geometry.groups : [{ start: 0, count, materialIndex: 0 }];
    for (const group of groups) {
      const own = materials[group.materialIndex];
      const paint = await painter(geometry, own);
      textured ||= Boolean(own.map);
      for (let start = group.start; start < group.start + group.count; start += 3) {
        const face = [start, start + 1, start + 2].map((corner) => geometry.index?.getX(corner) ?? corner);
        for (const corner of [0, 1, 2]) {
          place.fromBufferAttribute(position, face[corner]).applyMatrix4(matrixWorld);
          numbers.push(place.x, place.y, place.z, ...paint([...face.slice(corner), ...face.slice(0, corner)]));
        }
      }
    }
  }
  const bytes = new Uint8Array(new Float32Array(numbers).buffer);
  let text = "";
  for (let start = 0; start < bytes.length; start += 32768) text += String.fromCharCode(...bytes.subarray(start, start + 32768));
  return { textured, corners: btoa(text) };
};
