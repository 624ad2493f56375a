import { spawn } from "node:child_process";
import { capture } from "../../../lib/process.ts";
import { lastLines, must } from "./run.ts";

/** Label of an image that was built here, which tells it from the official one. */
export const MADE_LABEL = "appkata.base-image.made-from";

const LABELS = "{{json .Config.Labels}}";

export interface Present {
    /** Packages the image was built from (`Debian's mosquitto 2.1.2-3`); undefined for an official one. */
    madeFrom: string | undefined;
}

/**
 * Looks for an image in the local Docker.
 * @throws Error when Docker does not answer
 */
export async function findImage(image: string): Promise<Present | undefined> {
    const ended = await capture(["docker", "image", "inspect", "-f", LABELS, image]);
    if (ended.code === 0) {
        const labels = JSON.parse(ended.stdout) as Record<string, string> | null;
        return { madeFrom: labels?.[MADE_LABEL] };
    }
    if (/no such image/i.test(ended.stderr)) return undefined;
    throw new Error(`Docker does not answer: ${ended.stderr.trim()}`);
}

/**
 * How a pull ended. `reached` is false if the registry did not answer, true if it answered but lacks
 * the image.
 */
export type Pulled = { ok: true } | { ok: false; reached: boolean; said: string };

/**
 * Pulls an image. A registry that does not answer within `answerWithinMs` counts as unreachable; once
 * it answers, the download may take ten minutes.
 */
export async function pullImage(image: string, answerWithinMs = 15_000): Promise<Pulled> {
    const ended = await new Promise<{ code: number | null; stdout: string; stderr: string }>(
        (resolve) => {
            const child = spawn("docker", ["pull", "--platform", "linux/amd64", image], {
                stdio: ["ignore", "pipe", "pipe"],
            });
            let stdout = "";
            let stderr = "";
            const giveUp = (why: string) => () => {
                stderr += why;
                child.kill();
            };
            const silence = setTimeout(
                giveUp(`no answer within ${answerWithinMs / 1000} s`),
                answerWithinMs,
            );
            const limit = setTimeout(giveUp("not done within 10 minutes"), 600_000);
            child.stdout.on("data", (chunk: Buffer) => {
                clearTimeout(silence);
                stdout += chunk.toString();
            });
            child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
            child.on("error", (error) => (stderr += error.message));
            child.on("close", (code) => {
                clearTimeout(silence);
                clearTimeout(limit);
                resolve({ code, stdout, stderr });
            });
        },
    );
    if (ended.code === 0) return { ok: true };
    const said = lastLines(ended)
        .split(" / ")
        .at(-1)!
        .replace(/^Error[^:]*: */, "");
    const reached = /manifest unknown|not found|does not exist|no matching manifest/.test(said);
    return { ok: false, reached, said };
}

/** Creates an image from a root file system in a tar file. */
export async function importImage(image: string, tarFile: string, changes: string[]) {
    const flags = changes.flatMap((change) => ["--change", change]);
    await must("docker", ["import", ...flags, tarFile, image]);
}

/**
 * Asks the image's broker for its version.
 * @throws Error when the broker does not run
 */
export async function brokerVersion(image: string): Promise<string> {
    const program = ["--network", "none", "--entrypoint", "/usr/sbin/mosquitto", image, "-h"];
    const ended = await capture(["docker", "run", "--rm", ...program]);
    const version = /^mosquitto version (\S+)/m.exec(ended.stdout)?.[1];
    if (version === undefined) throw new Error(`${image} does not run: ${ended.stderr.trim()}`);
    return version;
}
