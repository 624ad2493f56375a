/**
 * Keeps a replacement from deleting its own successor.
 *
 * `pulumi up --replace`, `pulumi state taint` and a new logical name make the engine create with the same
 * inputs first and delete the old state afterwards. Fly's objects are found by name, so the "new" object
 * is the old one, and the delete would destroy what the stack now uses.
 *
 * The engine diffs or creates every object that the program declares before it deletes any other. So an
 * object that this run created, or diffed without a replacement, is in use, and its delete does
 * nothing. A run killed between create and delete leaves the delete to the next run, which diffs the
 * successor first.
 *
 * A refresh also diffs objects that the program no longer declares, and those must be deleted. A refresh
 * runs before the program, and the engine checks declared inputs before it diffs them; so diffs count only
 * from the first check on.
 */
import { PartialFailure, type Provider } from "./provider.ts";

/** State of one engine run, shared by all providers. */
export interface Run {
    /** Whether the program has begun to declare resources. */
    declaring: boolean;
}

/**
 * Wraps a provider so that it does not delete an object that the stack still uses.
 * @param kind noun for the message about an object that is kept
 */
export function succeeding<Inputs extends object, Outputs extends object>(
    kind: string,
    provider: Provider<Inputs, Outputs>,
    run: Run,
): Provider<Inputs, Outputs> {
    const inUse = new Set<string>();
    const replaced = new Set<string>();
    // The app is part of the key, since a shared address has the same ID in every app.
    const keyOf = (id: string, { app }: { readonly app?: string }) => JSON.stringify([app, id]);
    return {
        ...provider,

        check(olds, news) {
            run.declaring = true;
            return provider.check(olds, news);
        },

        async diff(id, olds, news) {
            const result = await provider.diff(id, olds, news);
            if (run.declaring) {
                const found = (result.replaces ?? []).length === 0 ? inUse : replaced;
                found.add(keyOf(id, olds));
            }
            return result;
        },

        async create(inputs) {
            try {
                const created = await provider.create(inputs);
                inUse.add(keyOf(created.id, inputs));
                return created;
            } catch (error) {
                if (error instanceof PartialFailure) {
                    inUse.add(keyOf(error.id, inputs));
                }
                throw error;
            }
        },

        async delete(id, props) {
            if (inUse.has(keyOf(id, props))) {
                console.log(
                    `${kind} ${id}: kept, since its successor in the stack is the same object`,
                );
                return;
            }
            // `check` has already decided whether a protected object may be replaced.
            const isReplaced = replaced.has(keyOf(id, props));
            await provider.delete(id, isReplaced ? { ...props, protectedBy: undefined } : props);
        },
    };
}
