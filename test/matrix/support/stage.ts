/** The real program on the real engine, run after run, on a local Fly behind the proxy. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { startLocalFly, type LocalFly } from "../../../dev/fly/index.ts";
import { pulumiEnvironment } from "../../../dev/toolchain/environment.ts";
import { pulumiCli } from "../../../dev/toolchain/pulumi.ts";
import { killTree, signal } from "../../support/processTree.ts";
import type { BrokerOutputs } from "../../../config/outputs.ts";
import { Project } from "../../../dev/harness/project.ts";
import { Proxy, type CallName, type Moment } from "./proxy.ts";

export interface Ended {
    /** Null if it was killed. */
    code: number | null;
    output: string;
    calls: CallName[];
}

const STATE = ".local/pulumi/.pulumi/stacks/appkata-mqtt/dev.json";
/** Longer than the pause after which the providers renew their lease. */
export const LEASE_S = 12;
const PASSPHRASE = "of no use to anyone";

export class Stage {
    readonly project: Project;
    readonly fly: LocalFly;
    /** The state as the last run with a fault left it: only later checks know its secrets. */
    stateLeft = "";
    /** When that was, in milliseconds since 1970. */
    leftAt = 0;
    readonly #proxy: Proxy;

    private constructor(project: Project, fly: LocalFly, proxy: Proxy) {
        this.project = project;
        this.fly = fly;
        this.#proxy = proxy;
    }

    static async make(): Promise<Stage> {
        // Shortens a dead run's lease: half a minute on Fly, too long for so many runs.
        const settings = {
            volumeReleaseMs: 300,
            appDeleteMs: 100,
            restartBackoffMs: 200,
            leaseMaxS: LEASE_S,
        };
        const fly = await startLocalFly({ settings });
        const proxy = await Proxy.start(fly.endpoint);
        const project = await Project.make({
            endpoint: proxy.url,
            registry: fly.registry,
            logsEndpoint: fly.endpoint,
        });
        mkdirSync(path.join(project.dir, ".local", "pulumi"), { recursive: true });
        const stage = new Stage(project, fly, proxy);
        const init = await stage.run(["stack", "init", "dev"]);
        if (init.code !== 0) throw new Error(init.output);
        return stage;
    }

    async remove(): Promise<void> {
        this.#proxy.close();
        await this.fly.close();
        rmSync(this.project.dir, { recursive: true, force: true });
    }

    /** @param at where it is killed, if at all */
    async run(args: string[], at?: { call: CallName; moment: Moment }): Promise<Ended> {
        const child = spawn(pulumiCli(), [...args, "--non-interactive", "--color", "never"], {
            cwd: this.project.dir,
            env: this.#env(),
            stdio: ["ignore", "pipe", "pipe"],
        });
        const pid = child.pid!;
        this.#proxy.begin(
            at && { ...at, freeze: () => signal(pid, "SIGSTOP"), kill: () => killTree(pid) },
        );
        let output = "";
        for (const stream of [child.stdout, child.stderr]) {
            stream.setEncoding("utf8").on("data", (text: string) => (output += text));
        }
        const code = await new Promise<number | null>((resolve, reject) => {
            child.on("error", reject);
            child.on("close", resolve);
        });
        await this.#proxy.settled();
        return { code, output, calls: this.#proxy.calls };
    }

    up(at?: { call: CallName; moment: Moment }, more: string[] = []): Promise<Ended> {
        return this.run(["up", "--yes", "--skip-preview", "--stack", "dev", ...more], at);
    }

    destroy(at?: { call: CallName; moment: Moment }): Promise<Ended> {
        return this.run(["destroy", "--yes", "--skip-preview", "--stack", "dev"], at);
    }

    previewNoChanges(): Promise<Ended> {
        return this.run(["preview", "--expect-no-changes", "--stack", "dev"]);
    }

    async mustSucceed(run: Promise<Ended>): Promise<void> {
        const { code, output } = await run;
        if (code !== 0) throw new Error(output);
    }

    /** Removes the dead run's lock, as a person would. */
    async cancel(): Promise<void> {
        const { code, output } = await this.run(["cancel", "--yes", "--stack", "dev"]);
        if (code !== 0) throw new Error(output);
    }

    /** Clears pending creates as `npm run pulumi` does and the README says, without a question. */
    async clearPendingCreates(): Promise<void> {
        const options = ["--clear-pending-creates", "--yes", "--skip-preview", "--stack", "dev"];
        await this.mustSucceed(this.run(["refresh", ...options]));
    }

    async outputs(): Promise<BrokerOutputs> {
        const args = ["stack", "output", "--json", "--show-secrets", "--stack", "dev"];
        const { code, output } = await this.run(args);
        if (code !== 0) throw new Error(output);
        return JSON.parse(output) as BrokerOutputs;
    }

    /** The state as it is on disk. @returns an empty text before anything was written */
    stateText(): string {
        try {
            return readFileSync(path.join(this.project.dir, STATE), "utf8");
        } catch {
            return "";
        }
    }

    stateTypes(): string[] {
        return (this.#checkpoint().resources ?? []).map(({ type }) => type);
    }

    /** URNs of all resources but components and providers. */
    urns(): string[] {
        return (this.#checkpoint().resources ?? [])
            .filter(({ custom, type }) => custom && !type.startsWith("pulumi:providers:"))
            .map(({ urn }) => urn);
    }

    /** Operations that a run began but did not finish: creates stay there until they are cleared. */
    pendingOperations(): string[] {
        const pending = this.#checkpoint().pending_operations ?? [];
        return pending.map(({ type, resource }) => `${type} ${resource.urn}`);
    }

    #checkpoint() {
        const state = JSON.parse(this.stateText()) as {
            checkpoint: {
                latest?: {
                    resources?: { urn: string; type: string; custom: boolean }[];
                    pending_operations?: { type: string; resource: { urn: string } }[];
                };
            };
        };
        return state.checkpoint.latest ?? {};
    }

    /** Changes a file that goes into the image. */
    changeImage(text: string): void {
        const file = path.join(this.project.dir, "broker/image/broker-entrypoint");
        const lines = readFileSync(file, "utf8").split("\n");
        const kept = lines.filter((line) => !line.startsWith("# version "));
        writeFileSync(file, [kept[0], `# version ${text}`, ...kept.slice(1)].join("\n"));
    }

    #env(): NodeJS.ProcessEnv {
        return {
            ...process.env,
            ...pulumiEnvironment(path.join(this.project.dir, ".local", "pulumi")),
            PULUMI_CONFIG_PASSPHRASE: PASSPHRASE,
            FLY_API_TOKEN: this.fly.token,
        };
    }
}
