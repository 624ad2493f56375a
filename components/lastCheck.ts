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
    /** Of the bundle of files that the machine was given last. */
    filesNumber: pulumi.Output<number | undefined>;
    /** Where clients reach the broker. */
    target: pulumi.Output<Omit<Endpoint, "deadlineSeconds">>;
    /** The verification's report: the check comes after it, at each `up`. */
    report: pulumi.Input<string>;
}

/** For one answer, and for an address that answers late. */
const ANSWER_MS = 5_000;
const ANSWERS_WITHIN_S = 15;

/**
 * Gives the report as it is, once the machine runs, is healthy, answers and is the only broker, also where this `up` has changed
 * nothing of it; otherwise the `up` fails. Warns of what the broker's last start found of its data. A preview
 * asks nothing of the machine: it may be about to be replaced. The warnings are no part of the report: an
 * output that only an `up` can know differs at each preview.
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
                    `The broker goes by other files than it was given: those of number ${inForce}, not of ` +
                        `${filesNumber}. \`pulumi up --refresh\` gives them again.`,
                );
            }
            for (const { text } of others) await pulumi.log.warn(text);
            for (const line of data?.warnings ?? []) await pulumi.log.warn(line);
            return report;
        });
}

function notKnown(error: Error): Inspection {
    return { problem: `whether its machine runs is not known: ${error.message}`, others: [] };
}

/** Dialled only where the machine runs: Fly's proxy starts one that is stopped for whoever comes. */
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
