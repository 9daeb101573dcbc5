# frozen_string_literal: true

raise ArgumentError, 'broken at load'

def same(event:, context:) = event
