import { expect, test } from 'vitest'
import { formatFstab } from './fstab.ts'

test('formatFstab() writes white space as octal escapes', () => {
  expect(formatFstab([{ source: '/a b', target: '/c\td', options: 'rbind,ro' }, { source: 'proc', target: '/proc', type: 'proc', options: 'nosuid' }]))
    .toBe('/a\\040b /c\\011d none rbind,ro 0 0\nproc /proc proc nosuid 0 0\n')
})
