// Reads when and where a JPEG was taken. A photo that is made smaller on a canvas loses its EXIF, so it is read before.

const APP1 = 0xffe1;
const START_OF_SCAN = 0xffda;
const EXIF = 0x45786966; // "Exif"
const TAG = { exif: 0x8769, gps: 0x8825, takenAt: 0x9003, offset: 0x9011 };
const GPS = { latitudeRef: 1, latitude: 2, longitudeRef: 3, longitude: 4 };
const SIZES = { 2: 1, 3: 2, 4: 4, 5: 8 }; // bytes of one value: ASCII, SHORT, LONG, RATIONAL

/**
 * ArrayBuffer -> {takenAt, latitude, longitude}; takenAt in ISO 8601, with a zone where the camera gave one, the
 * coordinates in degrees (WGS 84). What is absent or damaged is null.
 */
export function readExif(buffer) {
  const nothing = { takenAt: null, latitude: null, longitude: null };
  try {
    const tiff = findTiff(new DataView(buffer));
    return tiff ? read(tiff) : nothing;
  } catch (error) {
    if (error instanceof RangeError) return nothing; // a damaged file points beyond its end
    throw error;
  }
}

function findTiff(view) {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; at + 10 < view.byteLength; at += 2 + view.getUint16(at + 2)) {
    const marker = view.getUint16(at);
    if (marker < 0xff00 || marker === START_OF_SCAN) return null;
    if (marker === APP1 && view.getUint32(at + 4) === EXIF) {
      return new DataView(view.buffer, at + 10, view.getUint16(at + 2) - 8);
    }
  }
  return null;
}

function read(tiff) {
  const little = tiff.getUint16(0) === 0x4949;
  const root = directory(tiff, tiff.getUint32(4, little), little);
  const exif = root.has(TAG.exif) ? directory(tiff, root.get(TAG.exif)[0], little) : new Map();
  const gps = root.has(TAG.gps) ? directory(tiff, root.get(TAG.gps)[0], little) : new Map();
  const latitude = degrees(gps.get(GPS.latitude), gps.get(GPS.latitudeRef), "S", 90);
  const longitude = degrees(gps.get(GPS.longitude), gps.get(GPS.longitudeRef), "W", 180);
  // Some pickers write zeros in the place of a position that they leave out.
  const both = latitude !== null && longitude !== null && !(latitude === 0 && longitude === 0);
  return {
    takenAt: time(exif.get(TAG.takenAt), exif.get(TAG.offset)),
    latitude: both ? latitude : null,
    longitude: both ? longitude : null,
  };
}

function directory(tiff, start, little) {
  const found = new Map();
  const count = tiff.getUint16(start, little);
  for (let number = 0; number < count; number++) {
    const at = start + 2 + number * 12;
    const type = tiff.getUint16(at + 2, little);
    const length = tiff.getUint32(at + 4, little);
    if (!SIZES[type] || length > 64) continue; // nothing that is looked for here is longer
    const where = SIZES[type] * length > 4 ? tiff.getUint32(at + 8, little) : at + 8;
    found.set(tiff.getUint16(at, little), values(tiff, where, type, length, little));
  }
  return found;
}

function values(tiff, at, type, length, little) {
  const list = Array.from({ length }, (_, index) => {
    const place = at + index * SIZES[type];
    if (type === 2) return String.fromCharCode(tiff.getUint8(place));
    if (type === 3) return tiff.getUint16(place, little);
    if (type === 4) return tiff.getUint32(place, little);
    return tiff.getUint32(place, little) / tiff.getUint32(place + 4, little);
  });
  return type === 2 ? list.join("").replace(/\0.*$/s, "").trim() : list;
}

function time(local, offset) {
  const parts = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)$/.exec(local ?? "");
  if (!parts) return null;
  const [, year, month, day, clock] = parts;
  const iso = `${year}-${month}-${day}T${clock}`;
  // Date.parse takes 24:00:00, and the 31st of a month that has 30 days; the service does not.
  if (Number.isNaN(Date.parse(iso)) || !new Date(`${iso}Z`).toISOString().startsWith(iso)) return null;
  if (year === "0000") return null;
  return iso + (/^(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/.test(offset ?? "") ? offset : "");
}

function degrees(parts, reference, negative, most) {
  if (parts?.length !== 3) return null;
  const value = (parts[0] + parts[1] / 60 + parts[2] / 3600) * (reference === negative ? -1 : 1);
  return Math.abs(value) <= most ? value : null; // 0/0 in the file is NaN, and fails
}
