// Changes to the pictures of the next batch that must not wait for the server: removals and added examples.
const removed = new Set(); // paths
const clickedExamples = []; // their numbers

export const pictures = {
  clickedExamples,
  remove: (path) => removed.add(path),
  isRemoved: (path) => removed.has(path),
  // The picture was dropped again.
  restore: (path) => removed.delete(path),
  // Values of the gallery and of the refused files, without the removed pictures.
  withoutRemoved: (images, refused) => {
    const kept = (images ?? []).filter(({ image }) => !removed.has(image.path));
    return [kept, (refused ?? []).filter(({ path }) => !removed.has(path))];
  },
  addExample: (images, examples, maxPictures) => {
    const example = examples[clickedExamples.shift()];
    removed.delete(example.image.path);
    return [[...(images ?? []), example].slice(0, maxPictures)];
  },
};
