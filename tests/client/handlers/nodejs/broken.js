'use strict';
exports.same = async (event) => event;
throw new TypeError('broken at load');
