/** Finds a stack's machine on Fly, for commands that use the Machines API. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { FLY_MACHINES } from "../config/defaults.ts";
import type { BrokerOutputs } from "../config/outputs.ts";
import { FlyClient } from "../providers/fly/api/client.ts";
import { chooseToken } from "../providers/fly/api/token.ts";
import { DEV } from "../dev/toolchain/devStack.ts";
import { LOCAL_FLY, ROOT } from "../lib/paths.ts";
import { capture } from "../lib/process.ts";
import { settingsInFile } from "../lib/stackFile.ts";
import { startFly } from "./fly.ts";
import { devStackExists, stackOutputs } from "./stack.ts";

export interface StackOnFly {
    client: FlyClient;
    project: string;
    stack: string;
    app: string;
    machineId: string;
    volumeId: string;
    /** Whether replaced volumes are kept. */
    retains: boolean;
    /** Version of this program. */
    version: string;
}

/** Outputs of a stack that has a broker; those that an earlier version lacked may be absent. */
export type DeployedOutputs = Partial<BrokerOutputs> &
    Pick<BrokerOutputs, "appName" | "address" | "machineId" | "volumeId">;

/**
 * Reads the outputs of a stack that has a broker.
 * @param given name of the stack
 * @default dev if it exists, else the selected one
 * @param showSecrets whether to decrypt secrets instead of showing `[secret]`
 * @throws Error when the stack has no broker, or its outputs cannot be read
 */
export async function brokerOutputs(
    given: string | undefined,
    showSecrets: boolean,
): Promise<DeployedOutputs> {
    const { code, stdout, stderr } = await stackOutputs(given, showSecrets);
    if (code !== 0) throw new Error(stderr.trimEnd());
    const outputs = JSON.parse(stdout) as Partial<BrokerOutputs>;
    const { appName, address, machineId, volumeId } = outputs;
    if (!appName || !address || !machineId || !volumeId) {
        throw new Error("The stack has no broker yet: run `pulumi up` (or `npm run local`) first.");
    }
    return { ...outputs, appName, address, machineId, volumeId };
}

/**
 * Finds the stack's machine and a client for its Fly.
 * @param given name of the stack
 * @default dev if it exists, else the selected one
 * @param outputs outputs of the stack, if already read
 * @throws Error when the stack has no broker, or there is no token
 */
export async function stackOnFly(
    given: string | undefined,
    outputs?: DeployedOutputs,
): Promise<StackOnFly> {
    const { appName, machineId, volumeId } = outputs ?? (await brokerOutputs(given, false));
    const stack = given ?? (devStackExists() ? DEV : await selectedStack());
    const { name: project, version } = JSON.parse(
        readFileSync(path.join(ROOT, "package.json"), "utf8"),
    ) as { name: string; version: string };
    const client = new FlyClient(await access(stack));
    const retains = String(settingsOf(stack).retainVolume) === "true";
    return { client, project, stack, app: appName, machineId, volumeId, retains, version };
}

/** Reads the settings of a stack, whose name may include organisation and project. */
function settingsOf(stack: string): ReturnType<typeof settingsInFile> {
    return settingsInFile(stack.split("/").at(-1)!);
}

async function access(stack: string): Promise<{ endpoint: string; token: string }> {
    if (stack === DEV) return await startFly(LOCAL_FLY);
    const endpoint = settingsOf(stack).endpoint ?? FLY_MACHINES;
    const configured = await pulumi(["config", "get", "fly:token", "--stack", stack]);
    const token = chooseToken(configured);
    if (token === undefined) {
        throw new Error(
            "There is no Fly token: set FLY_API_TOKEN, or run `pulumi config set --secret fly:token TOKEN`.",
        );
    }
    return { endpoint, token };
}

async function selectedStack(): Promise<string> {
    const name = await pulumi(["stack", "--show-name"]);
    if (name === undefined) throw new Error("No stack is selected: name one with --stack.");
    return name;
}

/**
 * Runs the user's Pulumi.
 * @returns its output, or undefined when it fails
 */
async function pulumi(args: string[]): Promise<string | undefined> {
    const ended = await capture(["pulumi", ...args, "--non-interactive"], { cwd: ROOT });
    return ended.code === 0 ? ended.stdout.trim() : undefined;
}
