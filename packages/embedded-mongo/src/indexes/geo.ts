import { visitPath } from '../bson/path.ts';
import { Doc, isNumeric, toDouble, type Value } from '../bson/values.ts';
import { ErrorCode, MongoError } from '../errors.ts';
import type { KeyField } from './key-generator.ts';
import type { IndexKind } from './kinds.ts';

/** The options of geo indexes, with MongoDB's own where none are given (manual: core/indexes/index-types/index-geospatial). */
export function geoOptions(kind: IndexKind, description: Doc): Record<string, Value | undefined> {
  if (kind === '2dsphere') return { '2dsphereIndexVersion': description.get('2dsphereIndexVersion') ?? 3 };
  if (kind !== '2d') return {};
  const [min, max] = interval(description);
  if (min >= max)
    throw new MongoError(ErrorCode.InvalidOptions, 'region for hash must be valid and have positive area');
  return { bits: description.get('bits'), min: description.get('min'), max: description.get('max') };
}

function interval(description: Doc): [min: number, max: number] {
  const [min, max] = [description.get('min'), description.get('max')];
  return [isNumeric(min) ? toDouble(min) : -180, isNumeric(max) ? toDouble(max) : 180];
}

/** Refuses what MongoDB could not put into a geo index; the path's own array is a point, those before it are spread. */
export function checkGeometry(doc: Doc, fields: readonly KeyField[], kind: IndexKind, description: Doc): void {
  for (const field of fields) {
    if (!field.geo) continue;
    visitPath(doc, [...field.parts], 0, (value) => {
      if (value === undefined || value === null) return false;
      if (kind === '2d') checkFlatPoint(value, interval(description));
      else checkSpherical(value, doc);
      return false;
    });
  }
}

function checkFlatPoint(value: Value, [min, max]: [number, number]): void {
  if (!(value instanceof Doc || Array.isArray(value)))
    throw new MongoError(13026, 'geo values must be objects or arrays');
  const parts = Array.isArray(value) ? value : value.values;
  if (parts.length === 0) return;
  if (Array.isArray(parts[0]) || parts[0] instanceof Doc) {
    for (const point of parts) checkFlatPoint(point, [min, max]);
    return;
  }
  if (parts.length === 1) throw new MongoError(13068, 'geo field only has 1 element');
  for (const coordinate of parts.slice(0, 2)) {
    if (!isNumeric(coordinate)) throw new MongoError(13026, 'geo values must be numbers');
    const number = toDouble(coordinate);
    if (!(number >= min && number < max)) {
      throw new MongoError(13027, `point not in interval of [ ${min}, ${max} ) :: caused by :: ${number}`);
    }
  }
}

function cannotExtract(doc: Doc, why: string): MongoError {
  return new MongoError(16755, `Can't extract geo keys: { ${doc.keys.join(', ')} }  ${why}`);
}

function checkSpherical(value: Value, doc: Doc): void {
  if (Array.isArray(value)) {
    if (value.length > 0) checkPosition(value, doc);
    return;
  }
  if (!(value instanceof Doc)) throw cannotExtract(doc, 'Point must be an array or object');
  if (typeof value.get('type') === 'string') checkGeoJson(value, doc);
  else if (value.size > 0) checkPosition(value.values, doc);
}

/** How deep the positions of a geometry lie (RFC 7946, section 3.1). */
const DEPTHS: Record<string, number> = {
  Point: 0,
  MultiPoint: 1,
  LineString: 1,
  MultiLineString: 2,
  Polygon: 2,
  MultiPolygon: 3,
};

function checkGeoJson(geometry: Doc, doc: Doc): void {
  const type = String(geometry.get('type'));
  if (type === 'GeometryCollection') {
    const members = geometry.get('geometries');
    if (!Array.isArray(members)) throw cannotExtract(doc, 'GeometryCollection geometries must be an array');
    for (const member of members) {
      if (!(member instanceof Doc)) throw cannotExtract(doc, 'GeometryCollection geometries must be objects');
      checkGeoJson(member, doc);
    }
    return;
  }
  const depth = DEPTHS[type];
  if (depth === undefined) throw cannotExtract(doc, `unknown GeoJSON type: ${type}`);
  checkCoordinates(geometry.get('coordinates'), depth, type, doc);
}

function checkCoordinates(value: Value | undefined, depth: number, type: string, doc: Doc): void {
  if (!Array.isArray(value)) throw cannotExtract(doc, `${type} coordinates must be an array`);
  if (depth === 0) {
    checkPosition(value, doc);
    return;
  }
  const isRing = depth === 1 && type.endsWith('Polygon');
  const fewest = isRing ? 4 : depth === 1 && type.endsWith('LineString') ? 2 : 1;
  if (value.length < fewest) throw cannotExtract(doc, `${type} must have at least ${fewest} positions`);
  for (const inner of value) checkCoordinates(inner, depth - 1, type, doc);
  if (isRing && !samePosition(value[0], value.at(-1))) throw cannotExtract(doc, 'Loop is not closed');
}

function samePosition(a: Value | undefined, b: Value | undefined): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return false;
  return [0, 1].every((i) => isNumeric(a[i]) && isNumeric(b[i]) && toDouble(a[i]) === toDouble(b[i]));
}

function checkPosition(position: readonly Value[], doc: Doc): void {
  const [longitude, latitude] = position;
  if (!isNumeric(longitude) || !isNumeric(latitude))
    throw cannotExtract(doc, 'Point must only contain numeric elements');
  const [x, y] = [toDouble(longitude), toDouble(latitude)];
  if (!(x >= -180 && x <= 180 && y >= -90 && y <= 90)) {
    throw cannotExtract(doc, `longitude/latitude is out of bounds, lng: ${x} lat: ${y}`);
  }
}
