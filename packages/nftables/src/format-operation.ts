import { collectionLines, formatBase, formatElement, formatRule } from './format-table.ts'
import { quotedComment } from './name.ts'
import type { Operation } from './operation.ts'
import type { TableName } from './table.ts'

// Longer element lists are cut in text: it is for people.
const shownElements = 200

/** An operation as an nft command, ending in a newline. */
export function formatOperation(table: TableName, operation: Operation): string {
  const where = `${table.family} ${table.name}`
  switch (operation.object) {
    case 'table':
      return `${operation.verb} table ${where}${'comment' in operation && operation.comment !== undefined ? ` { ${quotedComment(operation.comment)}; }` : ''}\n`
    case 'chain': {
      if (!('chain' in operation)) return `${operation.verb} chain ${where} ${operation.name}\n`
      const { chain } = operation
      const base = formatBase(chain, table.family)
      const inner = [...(base === undefined ? [] : [base]), ...(chain.comment === undefined ? [] : [`${quotedComment(chain.comment)};`])].join(' ')
      return `${operation.verb} chain ${where} ${chain.name}${inner === '' ? '' : ` { ${inner} }`}\n`
    }
    case 'rule': return `${ruleCommand(table, operation)}\n`
    case 'set': {
      if (!('set' in operation)) return `${operation.verb} ${operation.kind} ${where} ${operation.name}\n`
      return `${operation.verb} ${operation.set.kind} ${where} ${operation.set.name} { ${collectionLines(operation.set).join('; ')}; }\n`
    }
    case 'element': {
      const { set, elements, verb } = operation
      const isRemoval = verb === 'delete' || verb === 'destroy'
      const shown = elements.slice(0, shownElements).map((element) => formatElement(set, isRemoval ? { key: element.key } : element))
      if (elements.length > shownElements) shown.push(`… ${elements.length - shownElements} more`)
      return `${verb} element ${where} ${set.name} { ${shown.join(', ')} }\n`
    }
    case 'counter': {
      if (!('counter' in operation)) return `${operation.verb} counter ${where} ${operation.name}\n`
      const { counter } = operation
      return `${operation.verb} counter ${where} ${counter.name}${counter.comment === undefined ? '' : ` { ${quotedComment(counter.comment)}; }`}\n`
    }
  }
}

function ruleCommand({ family, name }: TableName, operation: Operation & { readonly object: 'rule' }): string {
  const chain = `${family} ${name} ${operation.chain}`
  switch (operation.verb) {
    case 'add': return `add rule ${chain} ${operation.after === undefined ? '' : `handle ${operation.after} `}${formatRule(family, operation.rule)}`
    case 'insert': return `insert rule ${chain} ${operation.before === undefined ? '' : `handle ${operation.before} `}${formatRule(family, operation.rule)}`
    case 'replace': return `replace rule ${chain} handle ${operation.handle} ${formatRule(family, operation.rule)}`
    case 'delete': return `delete rule ${chain} handle ${operation.handle}`
  }
}
