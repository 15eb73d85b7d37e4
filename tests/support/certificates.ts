import { createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** X.509 certificates (RFC 5280) of keys of their own, in as much of DER as they need (ITU-T X.690). */

const DAY = 86_400_000;

/** An authority that nobody knows, and a server's certificate of it for one name. PEM. */
export function certificateOf(name: string, { expired = false } = {}): { ca: string; cert: string; key: string } {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const server = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const until = Date.now() + (expired ? -DAY : DAY);
  const isAuthority = extension([0x55, 0x1d, 0x13], sequence(der(0x01, Buffer.of(0xff))));
  const hasName = extension([0x55, 0x1d, 0x11], sequence(der(0x82, Buffer.from(name))));
  return {
    ca: certificate({
      subject: 'Authority',
      key: authority,
      by: authority,
      until: Date.now() + DAY,
      extra: isAuthority,
    }),
    cert: certificate({ subject: 'Server', key: server, by: authority, until, extra: hasName }),
    key: String(server.export({ type: 'pkcs8', format: 'pem' })),
  };
}

interface Wanted {
  subject: string;
  key: KeyObject;
  by: KeyObject;
  until: number;
  extra: Buffer;
}

function certificate({ subject, key, by, until, extra }: Wanted): string {
  const algorithm = sequence(der(0x06, Buffer.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)));
  const content = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.of(subject.length)),
    algorithm,
    nameOf('Authority'),
    sequence(instant(Date.now() - 2 * DAY), instant(until)),
    nameOf(subject),
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(extra)),
  );
  const signature = der(0x03, Buffer.concat([Buffer.of(0), sign('sha256', content, by)]));
  const base64 = sequence(content, algorithm, signature).toString('base64');
  return ['-----BEGIN CERTIFICATE-----', ...(base64.match(/.{1,64}/g) ?? []), '-----END CERTIFICATE-----', ''].join(
    '\n',
  );
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

const sequence = (...parts: Buffer[]) => der(0x30, Buffer.concat(parts));

const extension = (id: number[], value: Buffer) =>
  sequence(der(0x06, Buffer.from(id)), der(0x01, Buffer.of(0xff)), der(0x04, value));

const nameOf = (text: string) =>
  sequence(der(0x31, sequence(der(0x06, Buffer.of(0x55, 0x04, 0x03)), der(0x0c, Buffer.from(text)))));

/** UTCTime (RFC 5280 section 4.1.2.5.1). */
const instant = (time: number) =>
  der(
    0x17,
    Buffer.from(
      `${new Date(time)
        .toISOString()
        .replaceAll(/[-:T]|\.\d+/g, '')
        .slice(2)}`,
    ),
  );
