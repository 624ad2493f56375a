import type Docker from "dockerode";
import { request } from "node:http";
import { badRequest } from "../errors.ts";
import type { ImageRef } from "../model/records.ts";
import { dockerStatus } from "./docker.ts";

const MANIFEST_TYPES = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
].join(", ");

/** Docker's grammar of references. Anything else could become another path of Docker's API. */
const HOST = "(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?";
const PART = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(
    `^(?:${HOST}/)?${PART}(?:/${PART})*(?::\\w[\\w.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]{32,128})?$`,
);
const MAX_REFERENCE = 512;

/** Docker's own registry accepts no larger manifest. */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/**
 * Splits an image reference as Docker does; the registry defaults to Docker Hub.
 * @throws 400 for an invalid reference
 */
export function parseImage(image: string): ImageRef {
    if (image.length > MAX_REFERENCE || !REFERENCE.test(image)) {
        throw badRequest(`failed to get manifest ${image}: invalid reference format`);
    }
    const [name = "", digest] = image.split("@", 2);
    const slash = name.indexOf("/");
    const first = slash < 0 ? "" : name.slice(0, slash);
    const named = first.includes(".") || first.includes(":") || first === "localhost";
    const registry = named ? first : "registry-1.docker.io";
    let repository = named ? name.slice(slash + 1) : name;
    let tag: string | undefined;
    const colon = repository.lastIndexOf(":");
    if (colon > 0) {
        tag = repository.slice(colon + 1);
        repository = repository.slice(0, colon);
    }
    if (!named && !repository.includes("/")) repository = `library/${repository}`;
    if (tag === undefined && digest === undefined) tag = "latest";
    return {
        registry,
        repository,
        ...(tag === undefined ? {} : { tag }),
        ...(digest === undefined ? {} : { digest }),
    };
}

interface RegistryAnswer {
    status: number;
    digest: string | undefined;
    body: string;
}

/** Resolves machines' images and pulls them into Docker. */
export class Images {
    readonly #docker: Docker;
    readonly #socket: string;
    readonly #host: string;
    readonly #earlier: readonly string[];
    readonly #token: () => string;

    /**
     * Connects to the registry.
     * @param socket the registry's own socket, behind the authenticating front
     * @param host `host:port` of the front, as in image names
     * @param earlier previous values of `host` of this instance
     */
    constructor(
        docker: Docker,
        socket: string,
        host: string,
        earlier: readonly string[],
        token: () => string,
    ) {
        this.#docker = docker;
        this.#socket = socket;
        this.#host = host;
        this.#earlier = earlier;
        this.#token = token;
    }

    /** Whether an image is in this instance's registry; `registry.fly.io` means it too. */
    isOwn(image: ImageRef): boolean {
        return [this.#host, "registry.fly.io", ...this.#earlier].includes(image.registry);
    }

    /**
     * Looks up an image, as Fly does before it accepts a machine.
     * @returns the reference with digest and labels
     * @throws 400 `failed to get manifest …`
     */
    async resolve(image: string): Promise<ImageRef> {
        const ref = parseImage(image);
        return this.isOwn(ref) ? this.#resolveOwn(image, ref) : this.#resolveForeign(image, ref);
    }

    async #resolveOwn(image: string, ref: ImageRef): Promise<ImageRef> {
        const path = `/v2/${ref.repository}/manifests/${ref.digest ?? ref.tag ?? "latest"}`;
        const answer = await this.#get(path);
        if (answer.status !== 200) {
            throw badRequest(`failed to get manifest ${image}: manifest unknown`);
        }
        const manifest = JSON.parse(answer.body) as { config?: { digest?: string } };
        let labels: Record<string, string> = {};
        if (manifest.config?.digest !== undefined) {
            const blob = await this.#get(`/v2/${ref.repository}/blobs/${manifest.config.digest}`);
            if (blob.status === 200) {
                const config = JSON.parse(blob.body) as {
                    config?: { Labels?: Record<string, string> | null };
                };
                labels = config.config?.Labels ?? {};
            }
        }
        const digest = ref.digest ?? answer.digest;
        return { ...ref, ...(digest === undefined ? {} : { digest }), labels };
    }

    async #resolveForeign(image: string, ref: ImageRef): Promise<ImageRef> {
        try {
            const local = await this.#docker.getImage(image).inspect();
            const digest = local.RepoDigests[0]?.split("@")[1] ?? local.Id;
            return { ...ref, digest, labels: local.Config.Labels ?? {} };
        } catch (error) {
            if (dockerStatus(error) !== 404) throw error;
        }
        try {
            const found = await this.#docker.getImage(image).distribution();
            const digest = (found as { Descriptor?: { digest?: string } }).Descriptor?.digest;
            return { ...ref, ...(digest === undefined ? {} : { digest }), labels: {} };
        } catch (error) {
            const reason = error instanceof Error ? error.message : String(error);
            throw badRequest(`failed to get manifest ${image}: ${reason}`);
        }
    }

    /**
     * Pulls a resolved image unless Docker has it.
     * @returns its name in Docker
     */
    async ensure(ref: ImageRef, image: string): Promise<string> {
        const own = this.isOwn(ref);
        const name = own ? `${this.#host}/${ref.repository}@${ref.digest ?? ""}` : image;
        try {
            await this.#docker.getImage(name).inspect();
            return name;
        } catch (error) {
            if (dockerStatus(error) !== 404) throw error;
        }
        const auth = { username: "x", password: this.#token(), serveraddress: this.#host };
        const stream = own
            ? await this.#docker.pull(name, { authconfig: auth })
            : await this.#docker.pull(name);
        await this.#finished(stream);
        return name;
    }

    /** Waits for a pull. A failure is reported in the progress, not as an error of the request. */
    async #finished(progress: NodeJS.ReadableStream): Promise<void> {
        const lines = await new Promise<{ error?: string }[]>((resolve, reject) => {
            this.#docker.modem.followProgress(progress, (error, all: { error?: string }[]) => {
                if (error) reject(error);
                else resolve(all);
            });
        });
        const failed = lines.find((line) => line.error !== undefined);
        if (failed !== undefined) throw new Error(failed.error);
    }

    #get(path: string): Promise<RegistryAnswer> {
        return new Promise((resolve, reject) => {
            const asked = request(
                { socketPath: this.#socket, path, headers: { accept: MANIFEST_TYPES } },
                (answer) => {
                    const chunks: Buffer[] = [];
                    let size = 0;
                    answer.on("data", (chunk: Buffer) => {
                        size += chunk.length;
                        chunks.push(chunk);
                        if (size > MAX_MANIFEST_BYTES)
                            asked.destroy(badRequest("manifest too large"));
                    });
                    answer.on("error", reject);
                    answer.on("end", () => {
                        const digest = answer.headers["docker-content-digest"];
                        resolve({
                            status: answer.statusCode ?? 0,
                            digest: typeof digest === "string" ? digest : undefined,
                            body: Buffer.concat(chunks).toString(),
                        });
                    });
                },
            );
            asked.on("error", reject);
            asked.end();
        });
    }
}
