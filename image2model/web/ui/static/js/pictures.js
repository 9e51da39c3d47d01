// The pictures of the next batch, where they must not wait for the server: taken out, taken from the examples.
const removed = new Set(); // paths
const pressed = []; // numbers of examples

export const pictures = {
  pressed,
  remove: (path) => removed.add(path),
  isRemoved: (path) => removed.has(path),
  // It was dropped once more.
  restore: (path) => removed.delete(path),
  // Values of the gallery and of what was refused, without what was taken out.
  keep: (images, refused) => {
    const kept = (images ?? []).filter((one) => !removed.has(one.image.path));
    return [kept, (refused ?? []).filter((one) => !removed.has(one.path))];
  },
  add: (images, examples, most) => {
    const example = examples[pressed.shift()];
    removed.delete(example.image.path);
    return [[...(images ?? []), example].slice(0, most)];
  },
};
