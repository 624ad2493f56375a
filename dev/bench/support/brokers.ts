/** Starts the brokers to compare, each with a container of clients in its network. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { ITERATIONS } from "../../../components/credentials.ts";
import { capture } from "../../../lib/process.ts";
import { givenConf } from "../../harness/brokerConf.ts";
import { BASE_IMAGES, BrokerContainer, buildBroker } from "../../harness/brokerContainer.ts";
import { issue, makeAuthority } from "../../harness/certificates.ts";
import { makeOldSetup } from "../../harness/oldSetup.ts";
import { hashPassword } from "../../../providers/kept/password.ts";

export const USER = { username: "bench", password: "the bench's password" };
const NAMES = ["appkata-bench.fly.dev", "127.0.0.1"];
/** Least CPU time that Fly gives a shared CPU, in microseconds. The smallest machine has one CPU. */
const SHARE = { quota: 5000, period: 80_000, cpu: "0" };

/** Writes to a script's standard input. */
export type Input = (write: (text: string) => void) => Promise<void>;

export interface Side {
    broker: BrokerContainer;
    caPem: string;
    /** Runs a script beside the broker, which is at 127.0.0.1; the CA's file is /ca.pem. */
    shell: (script: string, input?: Input) => Promise<string>;
    /** Starts a command beside the broker. Its first line of output is its PID there, for killing it. */
    start: (command: string) => ChildProcessWithoutNullStreams;
}

export type SideName = "ours" | "oldSetup" | "oldSetupIn21";

export interface Sides extends Record<SideName, Side> {
    remove: () => Promise<void>;
}

export async function loadSides(): Promise<Sides> {
    const made: string[] = [];
    const remove = async () => {
        for (const id of made.reverse()) await docker("rm", "-fv", id);
    };
    const side = async (broker: BrokerContainer, caPem: string): Promise<Side> => {
        made.push(broker.container.id);
        await broker.start();
        const network = ["--network", `container:${broker.container.id}`, "--entrypoint", "sleep"];
        const id = (await docker("run", "-d", ...network, BASE_IMAGES["2.1"], "infinity")).trim();
        made.push(id);
        const shell = (script: string, input?: Input) => shellIn(id, script, input);
        await shell(`cat > /ca.pem <<'END'\n${caPem}\nEND`);
        const start = (command: string) =>
            spawn("docker", ["exec", "-i", id, "sh", "-c", `echo $$; exec ${command}`]);
        return { broker, caPem, shell, start };
    };
    try {
        const authority = await makeAuthority();
        const { chain, key } = await issue(authority, NAMES);
        const hash = await hashPassword(USER.password, ITERATIONS);
        const ours = await BrokerContainer.create({
            image: await buildBroker("2.1"),
            files: {
                "/etc/appkata/server.crt": chain,
                "/etc/appkata/server.key": key,
                "/etc/appkata/passwd": `${USER.username}:${hash}\n`,
                "/etc/appkata/acl": `user ${USER.username}\ntopic readwrite #\n`,
                ...givenConf(),
            },
        });
        const users = { [USER.username]: USER.password };
        const oldSetup = await makeOldSetup(NAMES, users);
        const newer = await makeOldSetup(NAMES, users, "2.1");
        return {
            ours: await side(ours, authority.pem),
            oldSetup: await side(oldSetup.broker, oldSetup.caPem),
            oldSetupIn21: await side(newer.broker, newer.caPem),
            remove,
        };
    } catch (error) {
        await remove();
        throw error;
    }
}

async function docker(...args: string[]): Promise<string> {
    const ended = await capture(["docker", ...args]);
    if (ended.code !== 0) throw new Error(`docker ${args[0]}: ${ended.stderr}${ended.stdout}`);
    return ended.stdout;
}

function shellIn(container: string, script: string, input?: Input): Promise<string> {
    return new Promise((resolve, reject) => {
        const child = spawn("docker", ["exec", "-i", container, "sh", "-c", script]);
        let stdout = "";
        let stderr = "";
        child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
        child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
        child.on("error", reject);
        child.on("close", (code) => {
            if (code === 0) resolve(stdout);
            else reject(new Error(`beside the broker, ended with ${code}: ${stderr}`));
        });
        const write = (text: string) => void child.stdin.write(text);
        void (input?.(write) ?? Promise.resolve()).finally(() => child.stdin.end());
    });
}

/**
 * Limits the broker to Fly's least share of a CPU, so that the broker and not the clients bounds the
 * figures, or gives it all of one CPU. With two CPUs the kernel would give a part of the share to
 * threads that wait on the other.
 */
export async function limitCpu(broker: BrokerContainer, to: "share" | "all"): Promise<void> {
    const quota = to === "share" ? SHARE.quota : -1;
    const period = ["--cpu-period", String(SHARE.period), "--cpu-quota", String(quota)];
    const args = ["--cpuset-cpus", SHARE.cpu, ...period];
    await docker("update", ...args, broker.container.id);
}

/**
 * Percentage of its share that a broker used. At 100 % the broker was the bottleneck, below that the
 * clients were.
 */
export function sharePercent(cpuSeconds: number, seconds: number): number {
    return (cpuSeconds / seconds / (SHARE.quota / SHARE.period)) * 100;
}

/** CPU seconds that the broker has used so far, and megabytes that it holds. */
export async function usedBy(broker: BrokerContainer): Promise<{ cpu: number; mb: number }> {
    const [stat, status] = (
        await broker.exec("sh", "-c", "cat /proc/1/stat; echo ---; cat /proc/1/status")
    ).split("---\n");
    // After the name in parentheses, fields 12 and 13 are user and system time in hundredths of a
    // second.
    const fields = stat!.slice(stat!.lastIndexOf(")") + 2).split(" ");
    const cpu = (Number(fields[11]) + Number(fields[12])) / 100;
    return { cpu, mb: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status!)![1]) / 1024 };
}
