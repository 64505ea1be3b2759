// Makes a photo small enough for a bad connection, upright, and remembers when and where it was taken.

import { readExif } from "./exif.js";

const LONGEST = 1600;
const LONGEST_SCANNED = 3200; // a crack in a photo of a wall is thin
const PREVIEW = 360;
const SMALL_ENOUGH = 1_500_000; // bytes
const UNTOUCHED = ["image/jpeg", "image/png", "image/webp"];

/**
 * File -> {photo, preview, filename, hash, takenAt, latitude, longitude}. A photo that the browser cannot show (HEIF on
 * most) goes as it is: the service may read it, or says why not. It stays larger where it is looked at everywhere.
 * Throws where its bytes cannot be read at all.
 */
export async function prepare(file, isScanned) {
  const longest = isScanned ? LONGEST_SCANNED : LONGEST;
  const bytes = await file.arrayBuffer();
  const filename = file.name || "photo.jpg";
  const facts = { filename, hash: await digest(bytes), ...readExif(bytes.slice(0, 262_144)) };
  let image;
  try {
    image = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    return { ...facts, photo: file, preview: null };
  }
  try {
    const preview = await shrink(image, PREVIEW);
    const fits = Math.max(image.width, image.height) <= longest && file.size <= SMALL_ENOUGH;
    if (fits && UNTOUCHED.includes(file.type)) return { ...facts, photo: file, preview };
    return { ...facts, filename: filename.replace(/\.\w+$/, "") + ".jpg", photo: await shrink(image, longest), preview };
  } catch {
    return { ...facts, photo: file, preview: null }; // no memory for a canvas of this size
  } finally {
    image.close();
  }
}

/** What tells a photo that was chosen twice; empty where the page did not come over HTTPS. */
async function digest(bytes) {
  if (!crypto.subtle) return "";
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function shrink(image, longest) {
  const scale = Math.min(1, longest / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff"; // what is transparent shows paper, as in the service
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the canvas gave no photo"))), "image/jpeg", 0.9);
  });
}
