import * as pulumi from "@pulumi/pulumi";
import { FlyClient } from "../providers/fly/api/client.ts";
import { askMachine, unknownData } from "../verification/machineData.ts";
import { inspect, type Deployment, type Inspection } from "../verification/deployment.ts";
import type { Endpoint } from "../verification/target.ts";
import { checkServerCertificate } from "../verification/trust.ts";

export interface LastCheckArgs {
    endpoint: string;
    token: string | undefined;
    machine: pulumi.Output<Deployment>;
    /** Number of the bundle of files that the machine was given last. */
    filesNumber: pulumi.Output<number | undefined>;
    /** Address, port and CA that clients use. */
    target: pulumi.Output<Omit<Endpoint, "deadlineSeconds">>;
    /** The verification's report, which the check waits for. */
    report: pulumi.Input<string>;
}

/** Time for one answer, and for all tries at an address. */
const ANSWER_MS = 5_000;
const ANSWERS_WITHIN_S = 15;

/**
 * Checks at each `up`, even one that changed nothing, that the machine runs, is healthy, answers and is the
 * only broker; otherwise the `up` fails. Returns the report unchanged. Warns about what the broker's last
 * start found in its data. A preview checks nothing, since it may be about to replace the machine. Warnings
 * are not part of the report: an output that only an `up` knows would differ at each preview.
 */
export function checkedReport(args: LastCheckArgs): pulumi.Output<string> {
    const { endpoint, token } = args;
    return pulumi
        .all([args.machine, args.target, args.filesNumber, args.report])
        .apply(async ([machine, target, filesNumber, report]) => {
            if (pulumi.runtime.isDryRun()) return report;
            const client = new FlyClient({ endpoint, token });
            const { app, machineId } = machine;
            const { problem, others } = await inspect(client, machine).catch(notKnown);
            const data = problem
                ? undefined
                : await askMachine(client, app, machineId).catch(unknownData);
            const down = problem ?? data?.full ?? (await addressProblem(target));
            if (down !== undefined)
                throw new pulumi.RunError(`The broker is down, or not as declared: ${down}.`);
            const wrong = others.filter(({ kind }) => kind === "here");
            if (wrong.length > 0) {
                const lines = wrong.map(({ text }) => `\n  - ${text}`).join("");
                throw new pulumi.RunError(`The broker is not alone:${lines}`);
            }
            const inForce = data?.inForce?.number;
            if (inForce !== undefined && filesNumber !== undefined && inForce !== filesNumber) {
                throw new pulumi.RunError(
                    `The broker runs with files number ${inForce} instead of number ${filesNumber}, which it was ` +
                        "given. `pulumi up --refresh` sends them again.",
                );
            }
            for (const { text } of others) await pulumi.log.warn(text);
            for (const line of data?.warnings ?? []) await pulumi.log.warn(line);
            return report;
        });
}

function notKnown(error: Error): Inspection {
    return { problem: `its machine cannot be checked: ${error.message}`, others: [] };
}

/** Connects to the broker's address. Only for a running machine: Fly's proxy would start a stopped one. */
async function addressProblem(
    target: Omit<Endpoint, "deadlineSeconds">,
): Promise<string | undefined> {
    try {
        const endpoint = { ...target, deadlineSeconds: ANSWERS_WITHIN_S };
        await checkServerCertificate(endpoint, ANSWER_MS);
        return undefined;
    } catch (error) {
        const { address, port } = target;
        return `its machine is healthy, but ${address} port ${port} is not: ${(error as Error).message}`;
    }
}
