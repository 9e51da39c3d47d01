// What the page needs of three.js; `scripts/vendor` makes one file of it.
export { Box3, CanvasTexture, Color, DirectionalLight, EquirectangularReflectionMapping, Group, HemisphereLight, Mesh, MeshBasicMaterial, MeshLambertMaterial, MeshStandardMaterial, NeutralToneMapping, PerspectiveCamera, PlaneGeometry, PMREMGenerator, Scene, Sphere, SRGBColorSpace, Vector3, WebGLRenderer } from "three";
export { DRACOLoader } from "three/addons/loaders/DRACOLoader.js";
export { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
export { MeshoptDecoder } from "three/addons/libs/meshopt_decoder.module.js";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
