import { formatOperation } from './format-operation.ts'
import { NftError, type RefusedOperation } from './nft-error.ts'
import type { Transaction } from './transaction.ts'

/** Describes an operation the kernel refused. */
export function refusal(transaction: Transaction, index: number, ack: { readonly errno: string, readonly kernelMessage?: string | undefined }): RefusedOperation {
  const operation = transaction.operations[index]
  return { index, text: operation === undefined ? 'batch' : formatOperation(transaction.table, operation).trimEnd(), errno: ack.errno, kernelMessage: ack.kernelMessage }
}

/** The error of a transaction of which nothing was applied. */
export function commitError(transaction: Transaction, refused: readonly RefusedOperation[]): NftError {
  const { family, name } = transaction.table
  const first = refused[0]!
  const more = refused.length > 1 ? ` and ${refused.length - 1} more` : ''
  const said = first.kernelMessage === undefined ? '' : `, the kernel says: ${first.kernelMessage}`
  const text = first.text.length > 300 ? `${first.text.slice(0, 300)}…` : first.text
  return new NftError('ERR_NFT_COMMIT_FAILED', `Cannot commit to table "${family} ${name}": operation ${first.index} "${text}"${more} was refused (${first.errno})${said}`, {
    errno: first.errno,
    refused,
  })
}
