/** Searches what an image adds to its base: every file of its own layers, and its metadata. */
import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import Docker from "dockerode";
import tar from "tar-stream";

const docker = new Docker();

const GZIP = Buffer.from([0x1f, 0x8b]);

/** PEM keys, and lines of Mosquitto's password files. */
export const SECRET = /-----BEGIN [A-Z ]*PRIVATE KEY-----\s|^\w+:\$[67]\$\d+\$/m;

export interface LayerSearch {
    /** Paths in the image's own layers, without a leading slash. */
    names: Set<string>;
    /** Places of the findings: paths in a layer, or files of the saved image. */
    hits: string[];
}

/**
 * Searches each file of the layers that an image adds to its base, and its metadata, as `docker save`
 * returns them.
 *
 * @param image a name, a digest reference or an ID
 * @param base what it was built from: its layers contain no secret
 * @param isSecret whether a file's content, as latin1 text, must not be there
 * @throws Error if one of the image's own layers was not searched, or had no file
 */
export async function searchLayers(
    image: string,
    base: string,
    isSecret: (content: string) => boolean = (content) => SECRET.test(content),
): Promise<LayerSearch> {
    const names = new Set<string>();
    const hits: string[] = [];
    const search = (content: Buffer, where: string) => {
        if (isSecret(content.toString("latin1"))) hits.push(where);
    };
    const { Id, RootFS } = await docker.getImage(image).inspect();
    const ofBase = new Set((await docker.getImage(base).inspect()).RootFS.Layers);
    const unread = new Set(RootFS.Layers?.filter((layer) => !ofBase.has(layer)));
    if (unread.size === 0) throw new Error(`${image} has no layer that ${base} has not`);

    const outer = tar.extract();
    const saving = pipeline(await docker.getImage(Id).get(), outer);
    for await (const entry of outer) {
        const saved = await contentOf(entry);
        const zipped = saved.subarray(0, 2).equals(GZIP);
        const content = zipped ? gunzipSync(saved) : saved;
        const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
        if (ofBase.has(digest)) continue;
        if (content.subarray(257, 262).toString() !== "ustar") {
            search(content, entry.header.name);
            continue;
        }
        const inner = tar.extract();
        inner.end(content);
        for await (const file of inner) {
            names.add(file.header.name);
            search(await contentOf(file), file.header.name);
        }
        unread.delete(digest);
    }
    await saving;
    if (unread.size > 0) throw new Error(`not read of ${image}: ${[...unread].join(", ")}`);
    if (names.size === 0) throw new Error(`the layers of ${image} have no file`);
    return { names, hits };
}

async function contentOf(entry: unknown): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of entry as AsyncIterable<Buffer>) chunks.push(chunk);
    return Buffer.concat(chunks);
}
