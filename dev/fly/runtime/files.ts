import type Docker from "dockerode";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { pack } from "tar-stream";
import type { GuestFile } from "../model/config.ts";
import { dockerStatus } from "./docker.ts";

/** Permission bits of a file without its own. */
const DEFAULT_MODE = 0o644;

/** A file for a machine, with its content. */
export interface ResolvedFile {
    path: string;
    content: Buffer;
    mode: number;
}

class MissingSecret extends Error {
    constructor(name: string) {
        super(`secret ${name} does not exist, or its value is not base64`);
        this.name = "MissingSecret";
    }
}

function decode(name: string, text: string | undefined): Buffer {
    if (text === undefined || !/^[A-Za-z0-9+/_-]*={0,2}\s*$/.test(text)) {
        throw new MissingSecret(name);
    }
    return Buffer.from(text, "base64");
}

/**
 * Finds the content of each file. A secret mounted as a file holds base64, as Fly requires.
 * @throws {MissingSecret} when a named secret is missing or not base64
 */
export function resolveFiles(
    files: readonly GuestFile[],
    secrets: Record<string, string>,
): ResolvedFile[] {
    return files.map((file) => ({
        path: posix.normalize(file.guest_path),
        content:
            file.secret_name === undefined
                ? Buffer.from(file.raw_value ?? "", "base64")
                : decode(file.secret_name, secrets[file.secret_name]),
        mode: file.mode ?? DEFAULT_MODE,
    }));
}

async function exists(container: Docker.Container, path: string): Promise<boolean> {
    try {
        // The answer is a stream without a body; unless it is read, it keeps its connection.
        const answer = (await container.infoArchive({ path })) as unknown as Readable;
        answer.resume();
        return true;
    } catch (error) {
        if (dockerStatus(error) === 404) return false;
        throw error;
    }
}

/** Lists parent directories that the container lacks, outermost first. */
async function missingParents(container: Docker.Container, paths: string[]): Promise<string[]> {
    const known = new Map<string, boolean>([["/", true]]);
    const missing = new Set<string>();
    for (const path of paths) {
        const parents: string[] = [];
        for (let dir = posix.dirname(path); dir !== "/"; dir = posix.dirname(dir)) {
            parents.unshift(dir);
        }
        for (const dir of parents) {
            if (!known.has(dir)) known.set(dir, await exists(container, dir));
            if (known.get(dir) === false) missing.add(dir);
        }
    }
    return [...missing];
}

/** Copies files into a container that is not started: owned by root, with their modes. */
export async function putFiles(
    container: Docker.Container,
    files: readonly ResolvedFile[],
): Promise<void> {
    if (files.length === 0) return;
    const archive = pack();
    const owner = { uid: 0, gid: 0 };
    const parents = await missingParents(
        container,
        files.map((file) => file.path),
    );
    for (const dir of parents) {
        archive.entry({ name: dir.slice(1), type: "directory", mode: 0o755, ...owner });
    }
    for (const file of files) {
        archive.entry({ name: file.path.slice(1), mode: file.mode, ...owner }, file.content);
    }
    archive.finalize();
    const chunks: Buffer[] = [];
    for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
    await container.putArchive(Buffer.concat(chunks), { path: "/" });
}
